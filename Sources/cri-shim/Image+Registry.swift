import ArgumentParser
import CRIControl
import CRIShim
import Launch
import Logging
import Registry
import Settings
import VMImages

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Who we are to a registry, for one command.
struct RegistryOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Who we are to the registry.", valueName: "name"))
    var username: String?

    @Option(help: ArgumentHelp("With the password in this file; - is standard input.", valueName: "file"))
    var passwordFile: String?

    @Option(
        help: ArgumentHelp(
            "A Docker configuration file with credentials (default: imageCredentials of the configuration).",
            valueName: "file"))
    var credentials: String?

    func validate() throws {
        guard (username == nil) == (passwordFile == nil) else {
            throw ValidationError("--username and --password-file go together")
        }
        guard username == nil || credentials == nil else {
            throw ValidationError("give --username or --credentials, not both")
        }
    }

    /// nil leaves it to the file.
    func given() throws -> RegistryCredentials? {
        guard let username, let passwordFile else { return nil }
        let limit = 64 << 10
        let bytes: [UInt8]
        if passwordFile == "-" {
            bytes = StandardInput.all(limit: limit)
        } else {
            do {
                bytes = [UInt8](try Data(contentsOf: URL(filePath: passwordFile)).prefix(limit))
            } catch {
                throw ProgramFailure("the password file \(passwordFile) cannot be read: \(error)", exitCode: Exit.usage)
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ProgramFailure("the password in \(passwordFile) is no UTF-8 text", exitCode: Exit.usage)
        }
        var password = text[...]
        while let last = password.last, last.isNewline { password = password.dropLast() }
        guard !password.isEmpty else {
            throw ProgramFailure("there is no password in \(passwordFile)", exitCode: Exit.usage)
        }
        return .basic(user: username, password: String(password))
    }
}

extension ImageStoreOptions {
    /// Runs `body` with the store and a repository, and turns its failure into one line and an exit code.
    func transfer<R>(
        _ name: String, _ registry: RegistryOptions,
        _ body: (ImageStore, Repository, ImageReference) async throws -> R
    ) async throws -> R {
        let settings = try settings(credentials: registry.credentials)
        let configuration = try Start.configured { try RegistryConfiguration(settings) }
        let logger = Self.logger
        let client = RegistryClient(configuration: configuration, logger: logger)
        do {
            let reference = try ImageReference(parsing: name)
            let repository = try await client.repository(reference, credentials: registry.given())
            let store = ImageStore(directory: settings.root + "/images", logger: logger)
            let result = try await body(store, repository, reference)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw Self.failure(error)
        }
    }

    /// Brings an image, with a bar that shows how far it is; also from the other shims of a fleet, where the configuration
    /// names them.
    func pull(_ name: String, _ registry: RegistryOptions, isQuiet: Bool) async throws -> VMImage {
        let settings = try settings()
        let fleet = try Start.configured { try PeerConfiguration(settings) }
        return try await transfer(name, registry) { store, repository, reference in
            let resolved = try await repository.resolve(reference.manifestName)
            var named = reference
            // What a list leads to has a digest of its own.
            if named.digest != nil { named.digest = resolved.descriptor.digest }
            let peers = peers(fleet, store)
            let bar = TransferBar(isWanted: !isQuiet)
            defer { bar.clear() }
            do {
                let puller = ImagePuller(store: store, exchange: peers?.exchange)
                let image = try await puller.pull(named, manifest: resolved.bytes, from: repository) { bar.show($0) }
                await peers?.close()
                return image
            } catch {
                await peers?.close()
                throw error
            }
        }
    }

    /// - Returns: nil where there are none, or nobody here can prove to them who we are.
    private func peers(_ fleet: PeerConfiguration?, _ store: ImageStore) -> PeerClients? {
        guard let fleet, !fleet.addresses.isEmpty else { return nil }
        do {
            return try PeerClients(fleet, store: store)
        } catch {
            Self.logger.warning("everything comes from the registry, for peers cannot be asked: \(error)")
            return nil
        }
    }

    static func failure(_ error: any Error) -> any Error {
        switch error {
        case let error as VMImageError where error.code == .invalidArgument:
            ProgramFailure("\(error)", exitCode: Exit.usage)
        case let error as RegistryError where error.code == .invalidArgument:
            ProgramFailure("\(error)", exitCode: Exit.usage)
        case is ExitCode, is ProgramFailure: error
        default: ProgramFailure("\(error)")
        }
    }
}

struct ImagePull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Bring a VM image from a registry.",
        discussion: """
            Formats: this program's own, macOS-vz-kubelet's and Tart's. A pull that was interrupted goes on where it was; what \
            other images here have is not fetched. Prints the image's id.

            Example: cri-shim image pull registry.example/vms/sonoma:15
            Example: cri-shim image pull --username ci --password-file token registry.example/private/mac@sha256:…
            """)

    @OptionGroup var options: ImageStoreOptions
    @OptionGroup var registry: RegistryOptions
    @Flag(name: .shortAndLong, help: "Show no progress.") var quiet = false
    @Argument(help: "[REGISTRY/]NAME[:TAG][@DIGEST].") var name: String

    func run() async throws {
        print(try await options.pull(name, registry, isQuiet: quiet).id)
    }
}

struct ImagePush: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Bring a VM image to a registry.",
        discussion: """
            Only what the registry does not have is sent. Prints the name with the digest under which the image can be pulled.

            Example: cri-shim image push localhost/macos:15 registry.example/vms/macos:15
            """)

    @OptionGroup var options: ImageStoreOptions
    @OptionGroup var registry: RegistryOptions
    @Flag(name: .shortAndLong, help: "Show no progress.") var quiet = false
    @Argument(help: "Name, id, or the beginning of an id.") var image: String
    @Argument(help: "[REGISTRY/]NAME[:TAG] (default: the image's name).") var name: String?

    func run() async throws {
        try await options.transfer(name ?? image, registry) { store, repository, reference in
            guard reference.digest == nil, !ImageReference.isID(name ?? image) else {
                throw ProgramFailure(
                    "\"\(name ?? image)\" cannot be a name in a registry: give [REGISTRY/]NAME[:TAG]",
                    exitCode: Exit.usage)
            }
            let bar = TransferBar(isWanted: !quiet)
            defer { bar.clear() }
            let digest = try await ImagePusher(store: store).push(
                image, to: repository, tag: reference.tag ?? "latest"
            ) { bar.show($0) }
            bar.clear()
            print("\(reference.familiarName)@\(digest)")
        }
    }
}
