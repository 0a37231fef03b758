import Docker
import Foundation
import NIOCore
import Support
import Testing

@Suite("Docker Engine", .enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason), .timeLimit(.minutes(5)))
struct EngineTests {}

extension TestEngine {
    static func failure<R>(of work: () async throws -> R) async -> DockerError? {
        do {
            _ = try await work()
            return nil
        } catch {
            return error as? DockerError
        }
    }

    static func code<R>(of work: () async throws -> R) async -> DockerError.Code? { await failure(of: work)?.code }
}
