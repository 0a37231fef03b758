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
            A guest starts from a kernel file (--kernel), or by firmware from its disk (--efi). The files are copied, holes \
            and all; they may go afterwards.

            Example: cri-shim image import --name localhost/guest --kernel vmlinuz --initrd initrd.img \
            --command-line "console=ttyS0" --disk root.qcow2 --user root --key-file ~/.ssh/guest
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

    @Option(help: ArgumentHelp("linux or macos.", valueName: "system"))
    var os: VMImageConfig.GuestOS = .linux

    @Option(help: ArgumentHelp("amd64 or arm64 (default: this machine's).", valueName: "architecture"))
    var arch: String = HostArchitecture.name

    @Option(help: ArgumentHelp("Processors of machines that are not told otherwise.", valueName: "number"))
    var cpus: Int?

    @Option(help: ArgumentHelp("Their memory: 512MiB, 4G.", valueName: "size"))
    var memory: ByteSize?

    @Option(help: ArgumentHelp("Who logs in to the guest.", valueName: "name"))
    var user: String?

    @Option(help: ArgumentHelp("With this private key; its path is kept, not the key.", valueName: "file"))
    var keyFile: String?

    func validate() throws {
        guard (kernel != nil) != efi else { throw ValidationError("give either --kernel or --efi") }
        guard kernel != nil || (initrd == nil && commandLine == nil) else {
            throw ValidationError("--initrd and --command-line go with --kernel")
        }
        guard efi || nvram == nil else { throw ValidationError("--nvram goes with --efi") }
        guard user != nil || keyFile == nil else { throw ValidationError("--key-file goes with --user") }
    }

    func run() throws {
        try options.run { store, _ in
            var request = ImageImport(name: name, os: os, architecture: arch, boot: boot, disks: disk)
            request.cpus = cpus
            request.memoryBytes = memory?.bytes
            request.login = try user.map { VMImageLogin(user: $0, keyFile: try keyFile.map(Self.existing)) }
            let bar = ImportBar()
            defer { bar.clear() }
            let image = try store.importImage(request) { bar.show($0) }
            bar.clear()
            print(image.id)
        }
    }

    private var boot: ImageImport.Boot {
        kernel.map { .kernel(path: $0, initrd: initrd, commandLine: commandLine ?? "") } ?? .efi(variables: nvram)
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
