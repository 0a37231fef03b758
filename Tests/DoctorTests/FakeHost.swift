import Sockets

@testable import Doctor

/// A host that says what a test wants it to. Files that are not listed are not there, programs neither.
struct FakeHost: Host, CustomStringConvertible {
    var system = HostSystem.linux
    var description: String { system.rawValue }
    var architecture = "x86_64"
    var userID: UInt32 = 0
    var environment = ["HOME": "/h/me", "USER": "me"]
    var now: Int64 = 1_800_000_000
    var qemu = QEMUFacts(
        emulator: "qemu-system-x86_64", firmware: [["/fw/code", "/fw/vars"], ["/fw/code2", "/fw/vars2"]],
        shareServers: ["/usr/libexec/virtiofsd"])

    var files: [String: FileFacts] = ["/": FileFacts(.directory, mode: 0o755)]
    var texts: [String: String] = [:]
    /// Paths that may not be read, written or executed although they are there.
    var forbidden: Set<String> = []
    /// What programs answer, by their command line.
    var programs: [String: ProgramOutcome] = [:]
    var connections: [String: ConnectOutcome] = [:]
    var listening: ListenOutcome = .free
    var space: Space? = Space(freeBytes: 100 << 30, totalBytes: 200 << 30)
    var clone = TrialOutcome.works
    var kvm = TrialOutcome.works
    var dockerOutcome = DockerOutcome.answers(version: "Docker 29.0", system: "Debian")
    var sees = TrialOutcome.works

    func look(at path: String) async -> FileFacts? {
        files[path] ?? (texts[path] == nil ? nil : FileFacts(.file, mode: 0o600))
    }

    func text(of path: String) async -> String? { forbidden.contains(path) ? nil : texts[path] }

    func names(in directory: String) async -> [String]? {
        let below = (Array(files.keys) + Array(texts.keys)).filter { $0.hasPrefix(directory + "/") }
        let names = Set(
            below.compactMap { $0.dropFirst(directory.count + 1).split(separator: "/").first.map(String.init) })
        return names.isEmpty ? nil : names.sorted()
    }

    func may(_ access: FileAccess, _ path: String) async -> Bool {
        guard !forbidden.contains(path) else { return false }
        return await look(at: path) != nil
    }

    func run(_ program: String, _ arguments: [String]) async -> ProgramOutcome {
        programs[([program] + arguments).joined(separator: " ")] ?? programs[program] ?? .missing
    }

    func connect(to endpoint: Endpoint) async -> ConnectOutcome { connections["\(endpoint)"] ?? .absent }
    func listen(on host: String, port: Int) async -> ListenOutcome { listening }
    func space(at directory: String) async -> Space? { space }
    func tryClone(in directory: String) async -> TrialOutcome { clone }
    func tryKVM() async -> TrialOutcome { kvm }
    func docker(at endpoint: Endpoint) async -> DockerOutcome { dockerOutcome }
    func tryDocker(at endpoint: Endpoint, sees directory: String) async -> TrialOutcome { sees }

    /// A program that succeeds with these words.
    mutating func says(_ command: String, _ output: String, errors: String = "") {
        programs[command] = .ended(code: 0, output: output, errors: errors)
    }

    /// A Linux host on which everything is as it should be.
    static var linux: FakeHost {
        var host = FakeHost()
        for path in ["/data", "/state"] { host.files[path] = FileFacts(.directory, mode: 0o700) }
        host.files["/bin/vm-host"] = FileFacts(.file, mode: 0o755)
        host.files["/usr/libexec/virtiofsd"] = FileFacts(.file, mode: 0o755)
        host.files["/fw/code2"] = FileFacts(.file, mode: 0o644)
        host.files["/fw/vars2"] = FileFacts(.file, mode: 0o644)
        host.files["/dev/kvm"] = FileFacts(.other, mode: 0o660)
        host.files["/docker.sock"] = FileFacts(.socket, mode: 0o660)
        host.says("qemu-system-x86_64 --version", "QEMU emulator version 7.2.22 (Debian)\nCopyright")
        host.says("ip --version", "ip utility")
        host.says("iptables --version", "iptables v1.8")
        host.says(
            "systemctl",
            "LoadState=loaded\nKillMode=process\nDelegate=yes\nRuntimeDirectory=vz-cri\nRuntimeDirectoryPreserve=yes\n")
        host.texts["/proc/net/route"] =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        return host
    }

    /// A Mac on which everything is as it should be.
    static var mac: FakeHost {
        var host = FakeHost()
        host.system = .macOS
        host.architecture = "arm64"
        host.userID = 501
        host.files["/data"] = FileFacts(.directory, mode: 0o700, owner: 501)
        host.files["/state"] = FileFacts(.directory, mode: 0o700, owner: 501)
        host.files["/bin/vm-host"] = FileFacts(.file, mode: 0o755)
        host.files["/docker.sock"] = FileFacts(.socket, mode: 0o700, owner: 501)
        host.says("sw_vers -productVersion", "15.6.1\n")
        host.says("sysctl -n hw.optional.arm64", "1\n")
        host.says("sysctl -n sysctl.proc_translated", "0\n")
        host.says("sysctl -n kern.hv_support", "1\n")
        host.says("sysctl -n kern.hv_vmm_present", "0\n")
        host.says("sysctl -n kern.boottime", "{ sec = 1799990000, usec = 0 } Fri Jan 15 05:13:20 2027\n")
        host.says(
            "codesign", "<plist><dict><key>com.apple.security.virtualization</key><true/></dict></plist>",
            errors: "Executable=/bin/vm-host")
        host.says("ps -axo comm=", "/sbin/launchd\n/usr/local/bin/vm-host\n\(machineProcess)\n")
        host.says("pmset -g", powerSettings(sleep: 0, disksleep: 0, autorestart: 1))
        host.says("fdesetup status", "FileVault is Off.\n")
        host.says("defaults read /Library/Preferences/com.apple.loginwindow autoLoginUser", "ci\n")
        host.says(
            "security", "", errors: "Keychain \"/h/me/Library/Keychains/login.keychain-db\" no-timeout\n")
        host.says("route -n get default", "   route to: default\n    gateway: 192.168.1.1\n  interface: en0\n")
        host.says("arp -n 192.168.1.1", "? (192.168.1.1) at 0:11:22:33:44:55 on en0 ifscope [ethernet]\n")
        host.connections["tcp://192.168.1.1:53"] = .refused
        host.says("scutil --nc list", "* (Disconnected)   1234 IPSec \"Office\" [IPSec]\n")
        host.texts["/var/db/dhcpd_leases"] = leases(3, until: 1_800_000_100)
        host.texts["/h/me/Library/LaunchAgents/dev.vzcri.cri-shim.plist"] =
            "<key>AbandonProcessGroup</key>\n  <true/>\n"
        return host
    }

    static let machineProcess =
        "/System/Library/Frameworks/Virtualization.framework/XPCServices/com.apple.Virtualization.VirtualMachine.xpc/Contents/"
        + "MacOS/com.apple.Virtualization.VirtualMachine"

    static func powerSettings(sleep: Int, disksleep: Int, autorestart: Int) -> String {
        """
        System-wide power settings:
        Currently in use:
         standby              0
         disksleep            \(disksleep)
         sleep                \(sleep) (sleep prevented by coreaudiod)
         autorestart          \(autorestart)
         displaysleep         10

        """
    }

    static func leases(_ count: Int, until end: Int64) -> String {
        (0..<count).map { index in
            "{\n\tname=mac\n\tip_address=192.168.64.\(index + 2)\n\thw_address=1,2:0:0:0:0:\(index)\n\tlease=0x"
                + String(end, radix: 16) + "\n}\n"
        }.joined()
    }
}

extension Subject {
    static var standard: Subject {
        var subject = Subject(
            root: "/data", state: "/state", docker: .unix(path: "/docker.sock"), vmHost: "/bin/vm-host")
        subject.sharedDirectories = ["/data"]
        subject.listen = [.unix(path: "/state/cri.sock")]
        subject.kubeletPort = 10250
        return subject
    }
}
