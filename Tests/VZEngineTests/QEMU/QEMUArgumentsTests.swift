import Testing

@testable import VZEngine

@Suite("QEMU's command line")
struct QEMUArgumentsTests {
    private static let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

    private func config(_ change: (inout MachineConfig) -> Void = { _ in }) -> MachineConfig {
        var config = MachineConfig(
            id: Self.id, sandboxID: "s", boot: .kernel(path: "/k", initrd: "/i", commandLine: "console=ttyS0 a=b"),
            credentials: MachineConfig.Credentials(user: "root", port: 22))
        config.memoryBytes = 256 << 20
        config.cpus = 2
        change(&config)
        return config
    }

    private func arguments(
        _ config: MachineConfig, _ accelerator: QEMUOptions.Accelerator = .tcg,
        _ architecture: QEMUPlatform.Architecture = .x86_64
    ) -> QEMUArguments {
        QEMUArguments(
            config: config, platform: QEMUPlatform(architecture: architecture), accelerator: accelerator, monitor: 3,
            console: 4, sshPort: 40022)
    }

    @Test("a kernel with a disk, by emulation")
    func plain() {
        var config = config()
        config.disks = [.init(path: "/b/disk.qcow2", format: .qcow2)]
        config.network.macAddress = "52:54:00:00:00:01"
        let expected = [
            "-name", "vzcri-0123456789abcdef", "-no-user-config", "-nodefaults", "-display", "none", "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-machine", "pc,hpet=off",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "256M", "-uuid",
            "01234567-89ab-cdef-0123-456789abcdef", "-device", "virtio-rng-pci", "-device", "pvpanic-pci", "-kernel",
            "/k", "-append", "console=ttyS0 a=b", "-initrd", "/i", "-blockdev",
            #"{"driver":"qcow2","node-name":"disk0","read-only":false,"discard":"unmap","cache":{"direct":false,"no-flush":true},"file":{"driver":"file","filename":"/b/disk.qcow2","cache":{"direct":false,"no-flush":true}}}"#,
            "-device", "virtio-blk-pci,drive=disk0,werror=stop,rerror=stop", "-netdev",
            "user,id=network,hostfwd=tcp:127.0.0.1:40022-:22", "-device",
            "virtio-net-pci,netdev=network,romfile=,mac=52:54:00:00:00:01", "-device",
            "virtio-balloon-pci,id=balloon,deflate-on-oom=on,free-page-reporting=on", "-chardev",
            "socket,id=console,fd=4", "-serial", "chardev:console", "-chardev", "socket,id=monitor,fd=3", "-mon",
            "chardev=monitor,mode=control",
        ]
        #expect(arguments(config).all == expected)
    }

    private func value(_ option: String, _ arguments: [String]) -> [String] {
        zip(arguments, arguments.dropFirst()).filter { $0.0 == option }.map(\.1)
    }

    @Test("a display is there when it is asked for, and of its size")
    func display() {
        let config = config { $0.display = .init(width: 1024, height: 768, pixelsPerInch: 80) }
        #expect(value("-device", arguments(config).all).contains("VGA,id=display,xres=1024,yres=768"))
        #expect(
            value("-device", arguments(config, .tcg, .aarch64).all)
                .contains("virtio-gpu-pci,id=display,xres=1024,yres=768"))
        #expect(!arguments(self.config()).all.contains { $0.contains("id=display") })
    }

    @Test("a saved machine is read from a descriptor")
    func restored() {
        var arguments = arguments(config())
        #expect(!arguments.all.contains("-incoming"))
        arguments.incoming = 5
        #expect(value("-incoming", arguments.all) == ["fd:5"])
    }

    @Test("KVM uses the host's processor")
    func kvm() {
        let all = arguments(config(), .kvm).all
        #expect(value("-accel", all) == ["kvm"])
        #expect(value("-cpu", all) == ["host,vmx=off,svm=off"])
    }

    @Test("a guest that may run machines of its own has what its processor needs for them; no other one has")
    func nesting() {
        var arguments = arguments(config(), .kvm)
        arguments.nesting = Nesting(feature: "svm")
        #expect(value("-cpu", arguments.all) == ["host,svm=on"])
        #expect(value("-cpu", self.arguments(config(), .kvm, .aarch64).all) == ["host"])
    }

    @Test("memory is rounded up to whole MiB, and shared when directories are")
    func memory() {
        var config = config { $0.memoryBytes = (100 << 20) + 1 }
        #expect(value("-m", arguments(config).all) == ["101M"])
        config.shares = [.init(tag: "a", source: "/x", readOnly: false), .init(tag: "b", source: "/y", readOnly: true)]
        var arguments = arguments(config)
        arguments.shareSockets = ["/r/fs0", "/r/f,s1"]
        let all = arguments.all
        #expect(value("-object", all) == ["memory-backend-memfd,id=memory,size=101M,share=on"])
        #expect(value("-machine", all) == ["pc,hpet=off,memory-backend=memory"])
        #expect(value("-chardev", all).first == "socket,id=share0,path=/r/fs0")
        #expect(value("-chardev", all).dropFirst().first == "socket,id=share1,path=/r/f,,s1")
        #expect(value("-device", all).contains("vhost-user-fs-pci,queue-size=1024,chardev=share1,tag=b"))
    }

    @Test("declared ports are reached at every address of the pod, SSH at its localhost only")
    func ports() {
        let config = config {
            $0.network.guestPorts = [.init(.tcp, 8080), .init(.udp, 53)]
            $0.credentials.port = 2222
        }
        #expect(
            value("-netdev", arguments(config).all) == [
                "user,id=network,hostfwd=tcp:0.0.0.0:8080-:8080,hostfwd=udp:0.0.0.0:53-:53,"
                    + "hostfwd=tcp:127.0.0.1:40022-:2222"
            ])
    }

    @Test("a bridged machine has its own device and no forwarded ports")
    func bridged() {
        var arguments = arguments(
            config {
                $0.network.mode = .bridged
                $0.network.guestPorts = [.init(.tcp, 80)]
            })
        arguments.tap = 5
        #expect(value("-netdev", arguments.all) == ["tap,id=network,fd=5"])
    }

    @Test("firmware starts from the first disk, with variables of its own")
    func firmware() {
        var arguments = arguments(
            config {
                $0.boot = .efi(variables: nil)
                $0.disks = [.init(path: "/d", format: .raw), .init(path: "/e", format: .raw, readOnly: true)]
            })
        arguments.firmware = .init(code: "/f/code", variables: "/b/vars")
        let all = arguments.all
        #expect(value("-machine", all) == ["q35,hpet=off,smm=off,pflash0=firmware,pflash1=variables"])
        #expect(value("-device", all).contains("virtio-blk-pci,drive=disk0,werror=stop,rerror=stop,bootindex=0"))
        #expect(value("-device", all).contains("virtio-blk-pci,drive=disk1,werror=stop,rerror=stop"))
        let blocks = value("-blockdev", all)
        #expect(blocks[0].contains(#""node-name":"firmware","read-only":true"#))
        #expect(blocks[1].contains(#""node-name":"variables","read-only":false"#))
        #expect(blocks[1].contains(#""no-flush":false"#))
        #expect(blocks[3].contains(#""read-only":true"#))
        #expect(value("-kernel", all).isEmpty)
    }

    @Test("a disk that is kept is flushed")
    func kept() {
        let config = config {
            $0.keepsDisk = true
            $0.disks = [.init(path: "/d", format: .raw)]
        }
        #expect(value("-blockdev", arguments(config).all)[0].contains(#""no-flush":false"#))
    }

    @Test("paths may have any character")
    func paths() {
        let config = config { $0.disks = [.init(path: "/a,b\"c\\d\u{1}ü", format: .raw)] }
        #expect(
            value("-blockdev", arguments(config).all)[0].contains(#""filename":"/a,b\"c\\d\u0001ü""#))
    }

    @Test("a QEMU that cannot confine itself is not told to")
    func unconfined() {
        var arguments = arguments(config())
        arguments.isConfined = false
        #expect(!arguments.all.contains("-sandbox"))
    }

    @Test("an ARM host has another kind of machine")
    func arm() {
        #expect(value("-machine", arguments(config(), .kvm, .aarch64).all) == ["virt,gic-version=max"])
    }

    @Test("an id that is no hexadecimal number makes no identifier")
    func oddID() {
        #expect(value("-uuid", arguments(config { $0.id = "machine" }).all).isEmpty)
    }
}

@Suite("What QEMU is refused to run")
struct QEMUChecksTests {
    private func config() -> MachineConfig {
        MachineConfig(
            id: "m", sandboxID: "s", boot: .kernel(path: "/k", initrd: nil, commandLine: ""),
            credentials: .init(user: "root"))
    }

    private static let changes: [(String, @Sendable (inout MachineConfig) -> Void)] = [
        ("a macOS guest", { $0.guestOS = .macos }),
        ("no processor", { $0.cpus = 0 }),
        ("no memory", { $0.memoryBytes = 1 << 20 }),
        ("firmware without a disk", { $0.boot = .efi(variables: nil) }),
        ("a tag with a comma", { $0.shares = [.init(tag: "a,b", source: "/", readOnly: false)] }),
        ("an empty tag", { $0.shares = [.init(tag: "", source: "/", readOnly: false)] }),
        ("a long tag", { $0.shares = [.init(tag: String(repeating: "a", count: 37), source: "/", readOnly: false)] }),
        (
            "two shares of one name",
            {
                $0.shares = [
                    .init(tag: "a", source: "/", readOnly: false), .init(tag: "a", source: "/tmp", readOnly: false),
                ]
            }
        ),
        ("a share that is no directory", { $0.shares = [.init(tag: "a", source: "/etc/passwd", readOnly: false)] }),
        ("port 0", { $0.network.guestPorts = [.init(.tcp, 0)] }),
        ("port 65536", { $0.network.guestPorts = [.init(.tcp, 65536)] }),
        ("half a hardware address", { $0.network.macAddress = "52:54:00" }),
        ("a hardware address with more behind it", { $0.network.macAddress = "52:54:00:00:00:01,x=y" }),
        ("a bridged network without a bridge", { $0.network.mode = .bridged }),
    ]

    @Test("what can never work is an invalid argument", arguments: 0..<Self.changes.count)
    func refused(_ index: Int) throws {
        let (name, change) = Self.changes[index]
        var config = config()
        change(&config)
        let error = #expect(throws: VZEngineError.self, "\(name)") { try QEMUChecks.check(config) }
        #expect(error?.code == .invalidArgument, "\(name)")
    }

    @Test("an ordinary machine is not")
    func accepted() throws {
        var config = config()
        config.shares = [.init(tag: "vol-1", source: "/", readOnly: true)]
        config.network.macAddress = "52:54:00:aB:cd:01"
        try QEMUChecks.check(config)
    }

    @Test(
        "QEMU's words name the port that is taken",
        arguments: [
            ("x: -netdev user,id=n: Could not set up host forwarding rule 'tcp:0.0.0.0:8080-:8080'", "tcp", 8080),
            ("Could not set up host forwarding rule 'udp:0.0.0.0:53-:53'; more", "udp", 53),
            ("Could not set up host forwarding rule 'tcp:127.0.0.1:40022-:22'", "tcp", 40022),
        ])
    func conflicts(_ words: String, _ transport: String, _ port: Int) {
        let conflict = PortConflict(errors: words)
        #expect(conflict?.port == port)
        #expect(conflict?.transport == transport)
        #expect(conflict?.error.code == .portInUse)
        #expect(conflict?.error.message.contains("\(transport) port \(port)") == true)
    }

    @Test("other words are no conflict")
    func noConflict() {
        #expect(PortConflict(errors: "could not load kernel") == nil)
        #expect(PortConflict(errors: "host forwarding rule 'nonsense") == nil)
    }

    @Test("firmware is the first pair that is there")
    func firmware() throws {
        let files: Set = ["/x/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"]
        let found = try QEMUFirmware.find(
            platform: QEMUPlatform(architecture: .x86_64), in: ["/x"], exists: { files.contains($0) })
        #expect(found.code == "/usr/share/OVMF/OVMF_CODE_4M.fd")
        let error = #expect(throws: VZEngineError.self) {
            try QEMUFirmware.find(platform: QEMUPlatform(architecture: .x86_64), in: ["/x"], exists: { _ in false })
        }
        #expect(error?.code == .startFailed)
        #expect(error?.message.contains("install OVMF") == true)
    }
}
