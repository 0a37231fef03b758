import Foundation
import HTTP
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets
import Testing

/// A server with a route for every way a request can go, and a client of it.
struct Harness: Sendable {
    let server: HTTPServer
    let client: HTTPClient
    let endpoint: Endpoint
    let log: Log

    static let group = MultiThreadedEventLoopGroup.singleton
    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// What the handlers saw.
    final class Log: Sendable {
        private let entries = NIOLockedValueBox<[String]>([])
        func add(_ entry: String) { entries.withLockedValue { $0.append(entry) } }
        var all: [String] { entries.withLockedValue { $0 } }
    }

    static func run(tcp: Bool = false, limits: HTTPServerLimits = .init(), _ body: (Harness) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "http-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = Log()
        let server = HTTPServer(
            listeners: [tcp ? .tcp(host: "127.0.0.1", port: 0) : .unix(directory.appending(path: "s").path)], limits: limits,
            logger: logger, group: group) { try await route($0, log) }
        let endpoint = try await server.start()[0]
        let client = HTTPClient(endpoint: endpoint, group: group)
        do {
            try await body(Harness(server: server, client: client, endpoint: endpoint, log: log))
        } catch {
            await client.close()
            await server.drain(within: .seconds(5))
            throw error
        }
        await client.close()
        await server.drain(within: .seconds(5))
    }

    private static func route(_ request: HTTPRequest, _ log: Log) async throws -> HTTPResponse {
        switch request.path {
        case "/hello": return HTTPResponse(.ok, text: "hello \(request.queryValues("name").joined(separator: ","))")
        case "/echo":
            let bytes = try await request.body.collect(upTo: 64 << 20)
            return HTTPResponse(.ok, body: .bytes(bytes))
        case "/stream":
            let count = Int(request.queryValue("count") ?? "3")!
            return HTTPResponse(.ok, body: .stream { writer in
                let chunk = ByteBuffer(repeating: 7, count: 64 << 10)
                for number in 0..<count {
                    try await writer.write(chunk)
                    log.add("chunk \(number)")
                }
            })
        case "/cut": return HTTPResponse(.ok, body: .stream { writer in
                try await writer.write(ByteBuffer(string: "begun"))
                throw CancellationError()
            })
        case "/ignore": return HTTPResponse(.forbidden, text: "no")
        case "/hang":
            log.add("hanging")
            do {
                try await Task.sleep(for: .seconds(3600))
            } catch {
                log.add("cancelled")
                throw error
            }
            return HTTPResponse(.ok)
        case "/upgrade":
            guard request.upgrade == "echo" else { return HTTPResponse(.badRequest, text: "upgrade to echo") }
            return .upgrade(to: "echo", headers: ["x-extra": "kept"]) { connection in
                for try await bytes in connection.inbound { try await connection.write(bytes) }
                try await connection.write(ByteBuffer(string: "!"))
                try await connection.closeOutput()
            }
        default: return HTTPResponse(.notFound, text: "nothing at \(request.path)")
        }
    }

    func text(_ method: HTTPMethod, _ target: String, body: HTTPClient.RequestBody = .none) async throws -> (HTTPResponseStatus, String) {
        let response = try await client.execute(method, target, body: body, timeout: .seconds(20))
        return (response.status, String(buffer: try await response.body.collect(upTo: 64 << 20)))
    }

    /// Sends raw bytes, their end when the answer holds `halfCloseAfter`, and returns all that comes until the server closes.
    func raw(_ text: String, halfCloseAfter: String? = nil) async throws -> String {
        let collected = Self.group.next().makePromise(of: String.self)
        let bootstrap = ClientBootstrap(group: Self.group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(done: collected, mark: halfCloseAfter)) }
        }
        let channel: any Channel
        switch endpoint {
        case .unix(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
        case .tcp(let host, let port): channel = try await bootstrap.connect(host: host, port: port).get()
        }
        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
        return try await collected.futureResult.get()
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var all = ByteBuffer()
    private let done: EventLoopPromise<String>
    private var mark: String?
    init(done: EventLoopPromise<String>, mark: String?) {
        self.done = done
        self.mark = mark
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        all.writeBuffer(&bytes)
        guard let mark, String(buffer: all).contains(mark) else { return }
        self.mark = nil
        context.close(mode: .output, promise: nil)
    }
    func channelInactive(context: ChannelHandlerContext) { done.succeed(String(buffer: all)) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

func eventually(_ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        if ContinuousClock.now > end {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
