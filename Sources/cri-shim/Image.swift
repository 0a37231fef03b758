import ArgumentParser
import CRIControl
import Launch
import Logging
import Settings
import VMImages

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// `cri-shim image`: the VM images of this host. It works on the store's directory, with or without a daemon beside it.
struct Image: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "The images of virtual machines on this host.",
        discussion: "A running daemon sees each change at once. Docker's images are Docker's: docker images.",
        subcommands: [
            ImageImportCommand.self, ImagePull.self, ImagePush.self, ImageList.self, ImageInspect.self, ImageTag.self,
            ImageRemove.self, ImagePrune.self, ImagePinCommand.self, ImageUnpinCommand.self, ImageConvert.self,
            ImageCommitCommand.self, ImageVerify.self,
        ])
}

/// Where the images are.
struct ImageStoreOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The shim's directory, as for serve.", valueName: "directory"))
    var root: String?

    @Option(help: ArgumentHelp("Configuration file (YAML).", valueName: "file"))
    var config: String?

    /// - Parameter credentials: what a flag says of `imageCredentials`.
    func settings(credentials: String? = nil) throws -> ShimSettings {
        var flags = FlagValues()
        flags.set("root", root)
        flags.set("imageCredentials", credentials)
        return try Start.configured {
            ShimSettings(
                try Configuration.load(
                    section: ShimSettings.section, file: config, flags: flags.byKey,
                    platform: .current(environment: ProcessInfo.processInfo.environment)))
        }
    }

    static var logger: Logger {
        var logger = Logger(label: "image") { _ in StandardErrorLog() }
        logger.logLevel = .warning
        return logger
    }

    /// Runs `body` with the store, and turns its failure into one line and an exit code.
    func run(_ body: (ImageStore, _ root: String) throws -> Void) throws {
        let root = try settings().root
        let logger = Self.logger
        do {
            try body(ImageStore(directory: root + "/images", logger: logger), root)
        } catch let error as VMImageError where error.code == .invalidArgument {
            throw ProgramFailure("\(error)", exitCode: Exit.usage)
        } catch let error as ExitCode {
            throw error
        } catch {
            throw ProgramFailure("\(error)")
        }
    }
}

struct ImageList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "VM images, by name.")
    @OptionGroup var options: ImageStoreOptions
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table
    @Flag(name: .shortAndLong, help: "Full ids only.") var quiet = false

    func run() throws {
        try options.run { store, _ in
            let images = try store.list()
            if quiet {
                for image in images { print(image.id) }
            } else if output == .json {
                print(try ImageReport.text(try images.map { ImageReport($0, lastUsed: try store.lastUsed($0)) }))
            } else {
                print(try table(images, store).text, terminator: "")
            }
        }
    }

    private func table(_ images: [VMImage], _ store: ImageStore) throws -> Table {
        var table = Table(["NAME", "IMAGE ID", "OS/ARCH", "BOOT", "DISK", "SIZE", "IMPORTED", "USED", "PINNED"])
        for image in images {
            let used = try store.lastUsed(image)
            for name in image.names.isEmpty ? ["<none>"] : image.names {
                table.add([
                    name, Display.shortID(image.id), "\(image.config.os.rawValue)/\(image.config.architecture)",
                    image.config.boot.word,
                    image.config.disks.first.map { Display.size(UInt64(max(0, $0.capacity))) } ?? "-",
                    Display.size(UInt64(max(0, image.size))),
                    Display.age(of: image.importedAt, now: CtlDefaults.now()),
                    used == image.importedAt ? "-" : Display.age(of: used, now: CtlDefaults.now()),
                    image.isPinned ? "yes" : "-",
                ])
            }
        }
        return table
    }
}

struct ImageInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Everything about VM images, as JSON.")
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "Names, ids, or the beginnings of ids.") var images: [String]

    func run() throws {
        try options.run { store, _ in
            let found = try images.map { reference in
                guard let image = try store.resolve(reference, prefixes: true) else {
                    throw ImageMissing.error(reference)
                }
                return ImageReport(
                    image, files: store.files(of: image), lastUsed: try store.lastUsed(image))
            }
            print(try ImageReport.text(found))
        }
    }
}

struct ImageTag: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "tag", abstract: "Give a VM image one more name.")
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "Name, id, or the beginning of an id.") var image: String
    @Argument(help: "The new name.") var name: String

    func run() throws {
        try options.run { store, _ in _ = try store.tag(image, as: name) }
    }
}

enum ImageMissing {
    static func error(_ reference: String) -> ProgramFailure {
        ProgramFailure("there is no VM image \(reference) here; cri-shim image ls shows those there are")
    }
}
