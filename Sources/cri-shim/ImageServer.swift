import ArgumentParser
import Launch
import Logging
import Registry
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
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [logger] in try await server.run { try await Self.repository($0, logger) } }
                group.addTask { for await _ in signals { return } }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch is CancellationError {
            return
        } catch {
            throw ProgramFailure("\(error)")
        }
    }

    private static func repository(_ source: LazySource, _ logger: Logger) async throws -> any BlobSource {
        let configuration = try source.configuration(environment: ProcessInfo.processInfo.environment)
        // Until the process ends: one for each time the credentials change.
        let client = RegistryClient(configuration: configuration, logger: logger)
        return try await client.repository(source.reference, credentials: source.credentials)
    }
}
