import HTTP
import NIOCore
import Sockets

/// Bytes the engine sends; what happens to their connection becomes a `DockerError`. To be read once.
struct EngineBytes: AsyncSequence, Sendable {
    let body: HTTPBody
    /// What was asked.
    let what: String
    let endpoint: Endpoint

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: HTTPBody.AsyncIterator
        let what: String
        let endpoint: Endpoint

        mutating func next() async throws -> ByteBuffer? {
            do {
                return try await base.next()
            } catch {
                throw DockerError.explained(error, what, endpoint)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: body.makeAsyncIterator(), what: what, endpoint: endpoint)
    }
}
