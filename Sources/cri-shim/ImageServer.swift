import ArgumentParser
import Launch
import Logging
import Registry
import Synchronization
import UnixSignals
import VMImages

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// `cri-shim image-server`: what `serve` starts for an image whose machines do not wait until it is here. Not for users.
struct ImageServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image-server", abstract: "Fetch an image and serve its disks meanwhile.", shouldDisplay: false)

    @Option var root: String
    @Option var state: String
    @Option var image: String
    @Option var logLevel: String?

    func run() async throws {
        var logger = Logger(label: "image-server") { _ in StandardErrorLog() }
        logger.logLevel = logLevel.flatMap(Logger.Level.init(rawValue:)) ?? .info
        let place = LazyPlace(image: image, state: state)
        let server = LazyServer(
            image: image, store: ImageStore(directory: root + "/images", logger: logger), place: place)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let registries = Registries(logger: logger)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run { try await registries.repository($0) } }
                group.addTask { for await _ in signals { return } }
                defer { group.cancelAll() }
                try await group.next()
            }
            await registries.shutDown()
        } catch is CancellationError {
            await registries.shutDown()
        } catch {
            await registries.shutDown()
            throw ProgramFailure("\(error)")
        }
    }
}

/// The clients of an image's registry, for as long as the process lives: one, whatever credentials come and go.
private final class Registries: Sendable {
    /// What a client is made for.
    private struct Key: Hashable {
        var rules: [RegistryRule]
        var credentialFile: String?
    }

    private let clients = Mutex<[Key: RegistryClient]>([:])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func repository(_ source: LazySource) async throws -> any BlobSource {
        let configuration = try source.configuration(environment: ProcessInfo.processInfo.environment)
        let key = Key(rules: source.rules, credentialFile: source.credentialFile)
        let client = clients.withLock { clients in
            if let client = clients[key] { return client }
            let client = RegistryClient(configuration: configuration, logger: logger)
            clients[key] = client
            return client
        }
        return try await client.repository(source.reference, credentials: source.credentials)
    }

    func shutDown() async {
        let all = clients.withLock { clients in
            defer { clients = [:] }
            return Array(clients.values)
        }
        for client in all { await client.shutdown() }
    }
}
