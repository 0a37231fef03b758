import Docker
import HTTP
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets
import Support

/// An engine that answers what a test says, for what a real one does not do on demand.
struct FakeEngine {
    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    static let group = MultiThreadedEventLoopGroup.singleton

    /// Runs `body` with a client of an engine that answers `/version` by itself and everything else by `route`.
    static func run(
        version: String = #"{"Version":"fake","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
        _ route: @escaping @Sendable (HTTPRequest) async throws -> HTTPResponse,
        _ body: (DockerClient) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let server = HTTPServer(listeners: [.unix(directory + "/s")], logger: logger, group: group) { request in
                request.path == "/version" ? json(version) : try await route(request)
            }
            let client = DockerClient(endpoint: try await server.start()[0], group: group, logger: logger)
            do {
                try await body(client)
            } catch {
                await client.close()
                await server.drain(within: .zero)
                throw error
            }
            await client.close()
            await server.drain(within: .zero)
        }
    }

    static func json(_ text: String, _ status: HTTPResponseStatus = .ok) -> HTTPResponse {
        HTTPResponse(status, headers: ["content-type": "application/json"], body: .bytes(ByteBuffer(string: text)))
    }

    /// Sends `text`, and then breaks the connection.
    static func brokenOff(_ text: String) -> HTTPResponse {
        struct Broken: Error {}
        return HTTPResponse(
            .ok,
            body: .stream { writer in
                try await writer.write(ByteBuffer(string: text))
                throw Broken()
            })
    }
}
