import Logging
import NIOCore
import Registry
import RegistryDouble
import Support

/// A client in a hurry, and the misbehaving registry.
struct Harness: Sendable {
    let registry: RegistryDouble
    let client: RegistryClient

    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    static var hasty: RegistryConfiguration {
        var configuration = RegistryConfiguration()
        configuration.timing.firstWait = .milliseconds(2)
        configuration.timing.longestWait = .milliseconds(20)
        configuration.timing.answer = .seconds(60)
        return configuration
    }

    static func run(
        _ configuration: RegistryConfiguration = hasty, _ body: (Harness) async throws -> Void
    ) async throws {
        try await RegistryDouble.run { registry in
            try await with(configuration) { try await body(Harness(registry: registry, client: $0)) }
        }
    }

    static func with<R>(
        _ configuration: RegistryConfiguration = hasty, _ body: (RegistryClient) async throws -> R
    ) async throws -> R {
        let client = RegistryClient(configuration: configuration, logger: logger)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }

    func repository(_ name: String = "team/app", _ credentials: RegistryCredentials? = nil) async throws -> Repository {
        try await client.repository(ImageReference(parsing: "\(registry.address)/\(name)"), credentials: credentials)
    }

    /// Bytes that no two places have alike.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        return random.bytes(count)
    }
}

extension BlobStream {
    func bytes() async throws -> [UInt8] { Array(try await collect(upTo: 1 << 30).readableBytesView) }
}

/// The code of the registry error that `body` throws; nil when it throws none.
func code(_ body: () async throws -> Void) async -> RegistryError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? RegistryError)?.code
    }
}
