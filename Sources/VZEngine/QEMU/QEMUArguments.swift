/// QEMU's command line for a machine: a pure function of the machine and of what was prepared on the host.
struct QEMUArguments {
    /// UEFI firmware and the file of its variables.
    struct Firmware: Sendable, Hashable {
        var code: String
        var variables: String
    }

    let config: MachineConfig
    var platform = QEMUPlatform.current
    var accelerator: QEMUOptions.Accelerator
    /// What the guest may run machines of its own by.
    var nesting: Nesting?
    /// For ``MachineConfig/Boot/efi(variables:)``.
    var firmware: Firmware?
    /// Open descriptors of the process that is to be: one end of a pair each.
    var monitor: Int32
    var console: Int32
    /// A tap device's, for bridged networks.
    var tap: Int32?
    /// What a saved machine's state is read from.
    var incoming: Int32?
    /// The port of the namespace's 127.0.0.1 that leads to the guest's SSH server.
    var sshPort: Int
    /// One for each share.
    var shareSockets: [String] = []
    /// Whether this QEMU can forbid itself system calls that it never needs.
    var isConfined = true

    var all: [String] {
        base + machine + boot + disks + shares + network + memory + display + consoles + restoring
    }

    private var startsFirmware: Bool { if case .efi = config.boot { true } else { false } }
    private var mebibytes: Int64 { (config.memoryBytes + (1 << 20) - 1) >> 20 }

    private var base: [String] {
        var base = ["-name", "vzcri-\(config.id.prefix(16))", "-no-user-config", "-nodefaults", "-display", "none"]
        if isConfined {
            base += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
        }
        return base
    }

    private var machine: [String] {
        var kind = platform.machine(startsFirmware: startsFirmware)
        // Other processes serve shared directories out of the guest's memory.
        if !config.shares.isEmpty { kind += ",memory-backend=memory" }
        if firmware != nil { kind += ",pflash0=firmware,pflash1=variables" }
        var machine = ["-machine", kind]
        switch accelerator {
        case .kvm: machine += ["-accel", "kvm", "-cpu", processor]
        // Without the newer instructions the guest waits long for its random numbers.
        case .tcg: machine += ["-accel", "tcg,thread=multi", "-cpu", "max"]
        }
        machine += ["-smp", "\(max(1, config.cpus))", "-m", "\(mebibytes)M"]
        if !config.shares.isEmpty {
            machine += ["-object", "memory-backend-memfd,id=memory,size=\(mebibytes)M,share=on"]
        }
        if let uuid = Self.uuid(of: config.id) { machine += ["-uuid", uuid] }
        if config.holdOnFailure != nil { machine += ["-action", "panic=pause"] }
        return machine + ["-device", "virtio-rng-pci", "-device", "pvpanic-pci"]
    }

    /// The host's, without its extension for virtual machines: a guest that is not to use it is better off without.
    private var processor: String {
        if let nesting { return "host,\(nesting.feature)=on" }
        guard platform.architecture == .x86_64 else { return "host" }
        return "host" + Nesting.features.map { ",\($0)=off" }.joined()
    }

    /// The machine's identifier: new with every container, the same after a reboot.
    private static func uuid(of id: String) -> String? {
        let digits = Array(id.prefix(32))
        guard digits.count == 32, digits.allSatisfy(\.isHexDigit) else { return nil }
        var rest = digits[...]
        return [8, 4, 4, 4, 12].map { length in
            defer { rest = rest.dropFirst(length) }
            return String(rest.prefix(length))
        }.joined(separator: "-")
    }

    private var boot: [String] {
        switch config.boot {
        case .kernel(let path, let initrd, let commandLine):
            var boot = ["-kernel", path, "-append", commandLine]
            if let initrd { boot += ["-initrd", initrd] }
            return boot
        // Refused before.
        case .mac: return []
        case .efi:
            guard let firmware else { return [] }
            return [
                "-blockdev", Self.block("firmware", "raw", firmware.code, readOnly: true, flushes: true),
                "-blockdev", Self.block("variables", "raw", firmware.variables, readOnly: false, flushes: true),
            ]
        }
    }

    private var disks: [String] {
        config.disks.enumerated().flatMap { index, disk in
            [
                "-blockdev",
                Self.block(
                    "disk\(index)", disk.format.rawValue, disk.path, readOnly: disk.readOnly, flushes: config.keepsDisk),
                "-device",
                // On a disk of the host that is full the machine waits, instead of breaking.
                "virtio-blk-pci,drive=disk\(index),werror=stop,rerror=stop"
                    + (index == 0 && startsFirmware ? ",bootindex=0" : ""),
            ]
        }
    }

    /// - Parameter flushes: a clone that nobody will ever read again need not reach the disk.
    private static func block(_ name: String, _ format: String, _ path: String, readOnly: Bool, flushes: Bool) -> String
    {
        let cache = #""cache":{"direct":false,"no-flush":\#(!flushes)}"#
        let file = #"{"driver":"file","filename":\#(quoted(path)),\#(cache)}"#
        let discard = readOnly ? "" : #","discard":"unmap""#
        return
            #"{"driver":"\#(format)","node-name":"\#(name)","read-only":\#(readOnly)\#(discard),\#(cache),"file":\#(file)}"#
    }

    private var shares: [String] {
        zip(config.shares, shareSockets).enumerated().flatMap { index, share in
            [
                "-chardev", "socket,id=share\(index),path=\(Self.escaped(share.1))",
                "-device", "vhost-user-fs-pci,queue-size=1024,chardev=share\(index),tag=\(Self.escaped(share.0.tag))",
            ]
        }
    }

    private var network: [String] {
        var device = "virtio-net-pci,netdev=network,romfile="
        if !config.network.macAddress.isEmpty { device += ",mac=\(config.network.macAddress)" }
        if let tap { return ["-netdev", "tap,id=network,fd=\(tap)", "-device", device] }
        var backend = "user,id=network"
        for port in config.network.guestPorts {
            backend += ",hostfwd=" + Self.forwarding(port)
        }
        backend += ",hostfwd=" + Self.forwarding(ssh: sshPort, to: config.credentials.port)
        return ["-netdev", backend, "-device", device]
    }

    /// A rule as QEMU takes it and, when its port is taken, names it.
    static func forwarding(_ port: MachineConfig.Network.Port) -> String {
        "\(port.transport.rawValue):0.0.0.0:\(port.number)-:\(port.number)"
    }

    static func forwarding(ssh port: Int, to guestPort: Int) -> String { "tcp:127.0.0.1:\(port)-:\(guestPort)" }

    /// What takes memory from the guest when it is asked to, and gives back what the guest does not use.
    private var memory: [String] {
        ["-device", "virtio-balloon-pci,id=\(Self.balloon),deflate-on-oom=on,free-page-reporting=on"]
    }

    static let balloon = "balloon"

    private var display: [String] {
        guard let display = config.display else { return [] }
        return [
            "-device",
            "\(platform.display),id=\(Self.display),xres=\(max(1, display.width)),yres=\(max(1, display.height))",
        ]
    }

    static let display = "display"

    private var restoring: [String] { incoming.map { ["-incoming", "fd:\($0)"] } ?? [] }

    private var consoles: [String] {
        [
            "-chardev", "socket,id=console,fd=\(console)", "-serial", "chardev:console",
            "-chardev", "socket,id=monitor,fd=\(monitor)", "-mon", "chardev=monitor,mode=control",
        ]
    }

    /// In QEMU's lists of options a comma is written twice.
    static func escaped(_ text: String) -> String { text.replacing(",", with: ",,") }

    /// As JSON has a string.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
