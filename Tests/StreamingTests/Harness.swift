import HTTP
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Sockets
import Streaming

/// A streaming server on loopback.
struct Harness: Sendable {
    let server: StreamingServer
    let base: String
    /// Upgraded connections whose server side still runs.
    let sessions: NIOLockedValueBox<Int>

    static let group = MultiThreadedEventLoopGroup.singleton
    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    static func run(
        tokenLifetime: Duration = .seconds(60), limits: StreamingLimits = .init(),
        _ body: (Harness) async throws -> Void
    ) async throws {
        let streaming = StreamingServer(tokenLifetime: tokenLifetime, limits: limits, logger: logger)
        let sessions = NIOLockedValueBox(0)
        let http = HTTPServer(listeners: [.tcp(host: "127.0.0.1", port: 0)], logger: logger, group: group) { request in
            var response = await streaming.handle(request)
            if case .upgrade(let serve) = response.body {
                response.body = .upgrade { connection in
                    sessions.withLockedValue { $0 += 1 }
                    defer { sessions.withLockedValue { $0 -= 1 } }
                    try await serve(connection)
                }
            }
            return response
        }
        guard case .tcp(_, let port) = try await http.start()[0] else {
            fatalError("a TCP listener has a TCP endpoint")
        }
        do {
            try await body(Harness(server: streaming, base: "http://127.0.0.1:\(port)", sessions: sessions))
        } catch {
            await http.drain(within: .seconds(3))
            throw error
        }
        await http.drain(within: .seconds(3))
    }

    func exec(
        _ options: RemoteCommandOptions, stdin: (any AsyncSequence<ByteBuffer, any Error> & Sendable)? = nil,
        resizes: AsyncStream<TerminalSize>? = nil, backend: @escaping RemoteCommandBackend
    ) async throws -> (result: RemoteCommandResult, stdout: [UInt8], stderr: [UInt8]) {
        let token = try server.register(.exec(RemoteCommand(options: options, backend: backend)))
        let output = NIOLockedValueBox<[UInt8]>([])
        let errors = NIOLockedValueBox<[UInt8]>([])
        let result = try await RemoteCommandClient.run(
            url: "\(base)/exec/\(token)", options: options, stdin: stdin,
            stdout: OutputSink { bytes in output.withLockedValue { $0 += bytes.readableBytesView } },
            stderr: OutputSink { bytes in errors.withLockedValue { $0 += bytes.readableBytesView } }, resizes: resizes,
            group: Self.group,
            logger: Self.logger)
        return (result, output.withLockedValue { $0 }, errors.withLockedValue { $0 })
    }

    func forward(_ backend: @escaping PortForwardBackend) async throws -> PortForwardSession {
        let token = try server.register(.portForward(PortForward(backend: backend)))
        return try await PortForwardClient.connect(
            url: "\(base)/portforward/\(token)", group: Self.group, logger: Self.logger)
    }
}

extension ByteStream {
    /// A stream that already has all its bytes.
    static func of(_ bytes: [UInt8]...) async -> ByteStream {
        let stream = ByteStream(limit: .max)
        for bytes in bytes { await stream.push(ByteBuffer(bytes: bytes)) }
        stream.finish()
        return stream
    }

    func collect() async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await bytes in self { all += bytes.readableBytesView }
        return all
    }
}
