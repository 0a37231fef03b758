import Foundation
import HTTP
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets
import Support
import TLS
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

    static func run(
        tcp: Bool = false, limits: HTTPServerLimits = .init(), client options: HTTPClientOptions = .init(),
        _ body: (Harness) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "http-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = Log()
        let server = HTTPServer(
            listeners: [tcp ? .tcp(host: "127.0.0.1", port: 0) : .unix(directory.appending(path: "s").path)],
            limits: limits,
            logger: logger, group: group
        ) { try await route($0, log) }
        let endpoint = try await server.start()[0]
        let client = HTTPClient(endpoint: endpoint, options: options, group: group)
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

    static func route(_ request: HTTPRequest, _ log: Log) async throws -> HTTPResponse {
        switch request.path {
        case "/hello": return HTTPResponse(.ok, text: "hello \(request.queryValues("name").joined(separator: ","))")
        case "/echo":
            let bytes = try await request.body.collect(upTo: 64 << 20)
            return HTTPResponse(.ok, body: .bytes(bytes))
        case "/stream":
            let count = Int(request.queryValue("count") ?? "3")!
            return HTTPResponse(
                .ok,
                body: .stream { writer in
                    let chunk = ByteBuffer(repeating: 7, count: 64 << 10)
                    for number in 0..<count {
                        try await writer.write(chunk)
                        log.add("chunk \(number)")
                    }
                })
        case "/cut":
            return HTTPResponse(
                .ok,
                body: .stream { writer in
                    try await writer.write(ByteBuffer(string: "begun"))
                    throw CancellationError()
                })
        case "/slow-read":
            var count = 0
            var isPaused = false
            for try await bytes in request.body {
                count += bytes.readableBytes
                guard count >= 1 << 20, !isPaused else { continue }
                isPaused = true
                log.add("paused")
                try await eventually("the test goes on") { log.all.contains("go on") }
            }
            return HTTPResponse(.ok, text: "\(count)")
        case "/read-twice":
            _ = try await request.body.collect(upTo: 100)
            _ = try await request.body.collect(upTo: 100)
            return HTTPResponse(.ok)
        case "/small":
            let bytes = try await request.body.collect(upTo: 10)
            return HTTPResponse(.ok, body: .bytes(bytes))
        case "/inject":
            return HTTPResponse(.ok, headers: ["x-name": request.queryValue("name") ?? ""])
        case "/peer":
            return HTTPResponse(.ok, text: request.peer?.commonName ?? "nobody")
        case "/follow":
            return HTTPResponse(
                .ok,
                body: .stream { writer in
                    try await writer.write(ByteBuffer(string: "begun"))
                    log.add("following")
                    do {
                        try await Task.sleep(for: .seconds(3600))
                    } catch {
                        log.add("stopped")
                        throw error
                    }
                })
        case "/no-content": return HTTPResponse(.noContent, body: .bytes(ByteBuffer(string: "not to be sent")))
        case "/own-cancellation": throw CancellationError()
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
            if request.target.hasSuffix("slow") { try await Task.sleep(for: .milliseconds(10)) }
            if request.target.hasSuffix("waits") {
                log.add("waiting")
                try await eventually("the test goes on") { log.all.contains("go on") }
            }
            return .upgrade(to: "echo", headers: ["x-extra": "kept"]) { connection in
                for try await bytes in connection.inbound { try await connection.write(bytes) }
                try await connection.write(ByteBuffer(string: "!"))
                try await connection.closeOutput()
            }
        default: return HTTPResponse(.notFound, text: "nothing at \(request.path)")
        }
    }

    func text(_ method: HTTPMethod, _ target: String, body: HTTPClient.RequestBody = .none) async throws -> (
        HTTPResponseStatus, String
    ) {
        let response = try await client.execute(method, target, body: body, timeout: .seconds(60))
        return (response.status, String(buffer: try await response.body.collect(upTo: 64 << 20)))
    }

    /// Sends raw bytes, their end when the answer holds `halfCloseAfter`, and returns all that comes until the server
    /// closes.
    func raw(_ text: String, halfCloseAfter: String? = nil) async throws -> String {
        let socket = try await RawSocket.connect(to: endpoint)
        // A server that has heard enough may end it before all is sent.
        try? await socket.write(text)
        if let halfCloseAfter {
            try await socket.expect(halfCloseAfter)
            try await socket.closeOutput()
        }
        return await socket.readToEnd()
    }
}
