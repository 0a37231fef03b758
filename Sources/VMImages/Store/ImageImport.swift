/// What an image is to be made of. Paths are of files on this host; they are read, never changed.
public struct ImageImport: Sendable {
    public enum Boot: Sendable, Hashable {
        case kernel(path: String, initrd: String?, commandLine: String)
        /// `variables`: the firmware's non-volatile store.
        case efi(variables: String?)
        /// A Mac, from its disk. The path is of the auxiliary storage that was made with that disk.
        case mac(hardwareModel: MacHardwareModel, auxiliaryStorage: String)
    }

    /// `[REGISTRY/]NAME[:TAG]`
    public var name: String
    public var os: VMImageConfig.GuestOS
    /// `amd64` or `arm64`; also as `uname` has them.
    public var architecture: String
    public var boot: Boot
    /// Raw or qcow2, told by content; the first is the one the guest starts from.
    public var disks: [String]
    public var cpus: Int?
    public var memoryBytes: Int64?
    public var login: VMImageLogin?

    /// What is made of a Mac's files.
    public init(name: String, macOS bundle: MacBundle) {
        self.init(
            name: name, os: .macos, architecture: "arm64",
            boot: .mac(hardwareModel: bundle.hardwareModel, auxiliaryStorage: bundle.auxiliaryStorage),
            disks: [bundle.disk])
        cpus = bundle.cpus
        memoryBytes = bundle.memoryBytes
    }

    public init(
        name: String, os: VMImageConfig.GuestOS = .linux, architecture: String = HostArchitecture.name, boot: Boot,
        disks: [String] = []
    ) {
        self.name = name
        self.os = os
        self.architecture = architecture
        self.boot = boot
        self.disks = disks
    }

    /// - Returns: the name in full, and the architecture as OCI has it.
    /// - Throws: `invalidArgument`.
    func checked() throws -> (name: String, architecture: String) {
        func invalid(_ why: String) -> VMImageError {
            VMImageError(.invalidArgument, "cannot make the image \(name): \(why)")
        }
        let canonical = try ImageStore.newName(name)
        guard let architecture = HostArchitecture.named(architecture) else {
            throw invalid("the architecture \"\(architecture)\" is not known; there are amd64 and arm64")
        }
        guard os == .linux || architecture == "arm64" else { throw invalid("macOS guests are arm64") }
        switch boot {
        case .mac where os != .macos: throw invalid("only a macOS guest starts as a Mac")
        case .mac:
            guard !disks.isEmpty else { throw invalid("a macOS guest starts from its disk: give it") }
        case .kernel where os == .macos: throw invalid("a macOS guest starts from its disk, not from a kernel file")
        case .efi where os == .macos:
            throw invalid(
                "a macOS guest starts as a Mac, not by firmware: give its hardware model and its auxiliary storage")
        case .kernel(_, _, let commandLine):
            guard !commandLine.utf8.contains(where: { $0 < 0x20 }) else {
                throw invalid("the kernel's command line is one line without control characters")
            }
        case .efi:
            guard !disks.isEmpty else { throw invalid("firmware starts from a disk: give one, or a kernel") }
        }
        if let cpus, !(1...1024).contains(cpus) { throw invalid("\(cpus) processors are not from 1 to 1024") }
        if let memoryBytes, memoryBytes < 16 << 20 { throw invalid("\(memoryBytes) bytes of memory are under 16 MiB") }
        if let login {
            guard !login.user.isEmpty, login.user.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
                throw invalid("\"\(login.user)\" is no user's name")
            }
            if let file = login.keyFile, !file.hasPrefix("/") {
                throw invalid("the key file \(file) is no absolute path")
            }
        }
        return (canonical, architecture)
    }
}

/// Names of processor architectures.
public enum HostArchitecture {
    /// This machine's, as OCI has it.
    public static var name: String {
        #if arch(arm64)
        "arm64"
        #else
        "amd64"
        #endif
    }

    static func named(_ text: String) -> String? {
        switch text {
        case "amd64", "x86_64": "amd64"
        case "arm64", "aarch64": "arm64"
        default: nil
        }
    }
}

/// How far an import is.
public struct ImportProgress: Sendable, Hashable {
    /// Bytes of data read so far; holes do not count.
    public var done: Int64
    /// About as many there will be: what the files take on disk.
    public var total: Int64
}
