public import ArgumentParser
import CRIControl
import Launch
public import VMImages

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

struct ImageImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a VM image of files of this host.",
        discussion: """
            A guest starts from a kernel file (--kernel), by firmware from its disk (--efi), or as a Mac (--macos). The files \
            are copied, holes and all; they may go afterwards.

            Example: cri-shim image import --name localhost/guest --kernel vmlinuz --initrd initrd.img \
            --command-line "console=ttyS0" --disk root.qcow2 --user root --key-file ~/.ssh/guest
            Example: cri-shim image import --name localhost/macos:15 --macos ~/VM.bundle --user admin
            """)

    @OptionGroup var options: ImageStoreOptions

    @Option(help: ArgumentHelp("[REGISTRY/]NAME[:TAG].", valueName: "name"))
    var name: String

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A disk, raw or qcow2; the first is the one to start from. May be repeated.", valueName: "file"))
    var disk: [String] = []

    @Option(help: ArgumentHelp("Start this kernel.", valueName: "file"))
    var kernel: String?

    @Option(help: ArgumentHelp("The kernel's initial file system.", valueName: "file"))
    var initrd: String?

    @Option(help: ArgumentHelp("The kernel's command line.", valueName: "text"))
    var commandLine: String?

    @Flag(help: "Start by firmware from the first disk.")
    var efi = false

    @Option(help: ArgumentHelp("The firmware's variables.", valueName: "file"))
    var nvram: String?

    @Option(
        help: ArgumentHelp(
            "A macOS guest: the directory of its disk, its auxiliary storage and its hardware model, as Apple's samples, "
                + "macosvm, Tart or Agoda's images have them.", valueName: "directory"))
    var macos: String?

    @Option(help: ArgumentHelp("A macOS guest's auxiliary storage.", valueName: "file"))
    var auxiliaryStorage: String?

    @Option(help: ArgumentHelp("A macOS guest's hardware model.", valueName: "file"))
    var hardwareModel: String?

    @Option(help: ArgumentHelp("linux or macos (default: what the other options are of).", valueName: "system"))
    var os: VMImageConfig.GuestOS?

    @Option(
        help: ArgumentHelp(
            "amd64 or arm64 (default: this machine's; macOS guests are arm64).", valueName: "architecture"))
    var arch: String?

    @Option(help: ArgumentHelp("Processors of machines that are not told otherwise.", valueName: "number"))
    var cpus: Int?

    @Option(help: ArgumentHelp("Their memory: 512MiB, 4G.", valueName: "size"))
    var memory: ByteSize?

    @Option(help: ArgumentHelp("Who logs in to the guest.", valueName: "name"))
    var user: String?

    @Option(help: ArgumentHelp("With this private key; its path is kept, not the key.", valueName: "file"))
    var keyFile: String?

    func validate() throws {
        guard [kernel != nil, efi, isMac].filter({ $0 }).count == 1 else {
            throw ValidationError("give one of --kernel, --efi and --macos")
        }
        if isMac { try validateMac() }
        guard kernel != nil || (initrd == nil && commandLine == nil) else {
            throw ValidationError("--initrd and --command-line go with --kernel")
        }
        guard efi || nvram == nil else { throw ValidationError("--nvram goes with --efi") }
        guard user != nil || keyFile == nil else { throw ValidationError("--key-file goes with --user") }
    }

    func run() throws {
        try options.run { store, _ in
            var request = try isMac ? mac() : linux
            request.cpus = cpus ?? request.cpus
            request.memoryBytes = memory?.bytes ?? request.memoryBytes
            request.login = try user.map { VMImageLogin(user: $0, keyFile: try keyFile.map(Self.existing)) }
            let bar = ImportBar()
            defer { bar.clear() }
            let image = try store.importImage(request) { bar.show($0) }
            bar.clear()
            print(image.id)
        }
    }

    private var linux: ImageImport {
        ImageImport(
            name: name, os: os ?? .linux, architecture: arch ?? HostArchitecture.name,
            boot: kernel.map { .kernel(path: $0, initrd: initrd, commandLine: commandLine ?? "") }
                ?? .efi(variables: nvram), disks: disk)
    }

    // MARK: macOS

    private var isMac: Bool { macos != nil || auxiliaryStorage != nil || hardwareModel != nil }

    private func validateMac() throws {
        guard os != .linux else { throw ValidationError("--os linux does not go with a macOS guest's files") }
        guard macos == nil else { return }
        guard auxiliaryStorage != nil, hardwareModel != nil, !disk.isEmpty else {
            throw ValidationError(
                "a macOS guest is --macos, or --disk, --auxiliary-storage and --hardware-model together")
        }
    }

    /// What is named by itself counts before what is in the directory.
    private func mac() throws -> ImageImport {
        let model = try hardwareModel.map(MacHardwareModel.init(file:))
        var bundle: MacBundle
        if let disk = disk.first, let auxiliaryStorage, let model {
            bundle = MacBundle(disk: disk, auxiliaryStorage: auxiliaryStorage, hardwareModel: model)
        } else {
            bundle = try MacBundle.read(
                macos ?? "", disk: disk.first, auxiliaryStorage: auxiliaryStorage, hardwareModel: model)
        }
        var request = ImageImport(name: name, macOS: bundle)
        request.disks += disk.dropFirst()
        if let arch { request.architecture = arch }
        return request
    }

    /// The path in full: it is used from elsewhere.
    private static func existing(_ path: String) throws -> String {
        guard let full = realpath(path, nil) else {
            throw VMImageError(.notFound, "cannot use the key file \(path): \(String(cString: strerror(errno)))")
        }
        defer { free(full) }
        return String(cString: full)
    }
}

/// How far an import is, on one line of a terminal; nothing where standard error is none.
private final class ImportBar {
    private let isTerminal = isatty(2) == 1
    private var last: ContinuousClock.Instant?
    private var isShown = false

    func show(_ progress: ImportProgress) {
        guard isTerminal else { return }
        let now = ContinuousClock.now
        // Short imports show nothing.
        guard let last else {
            last = now
            return
        }
        guard now - last > .milliseconds(250) else { return }
        self.last = now
        isShown = true
        let done = UInt64(max(0, progress.done))
        let total = UInt64(max(1, progress.total))
        put("\r\u{1b}[K\(done * 100 / total) %  \(Display.size(done)) of \(Display.size(total))")
    }

    func clear() {
        if isShown { put("\r\u{1b}[K") }
        isShown = false
    }

    /// A terminal that takes no text is no reason to stop.
    private func put(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }
}

/// A number of bytes: `1073741824`, `512M`, `512MiB`, `4Gi`. Units are powers of 1024.
struct ByteSize: ExpressibleByArgument, Equatable {
    var bytes: Int64

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let units: [String: Int64] = ["": 0, "k": 10, "m": 20, "g": 30, "t": 40]
        var unit = argument.dropFirst(digits.count).lowercased()
        if unit.hasSuffix("ib") { unit.removeLast(2) } else if unit.hasSuffix("i") { unit.removeLast() }
        guard let number = Int64(digits), let shift = units[unit] else { return nil }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !isTooLarge else { return nil }
        self.bytes = bytes
    }
}

extension VMImageConfig.GuestOS: ExpressibleByArgument {}
