import HTTP
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets
import Synchronization
import TLS
import VMImages

/// Serves frames of disks to the other shims of a fleet, over a port of their own: whoever may ask for frames may not call
/// the CRI.
///
/// ```
/// GET /frames/v1/DIGEST          lines of FrameNews, as long as the peer listens; X-Shim says who we are
/// GET /frames/v1/DIGEST/NUMBER   one frame, zstd; 404 when it is not here, 503 when there is too much to do
/// ```
final class PeerServer: Sendable {
    static let path = "frames"
    static let version = "v1"
    static let identity = "X-Shim"
    /// A line without news, so that a peer sees that the other one is there.
    static let pulse = Duration.seconds(5)
    /// Frames that are read and compressed at once; the others are told to come again.
    private static let frameLimit = 8
    private static let followerLimit = 256

    private struct Load {
        var frames = 0
        var followers = 0
        var bucket: TokenBucket?
    }

    private let board: FrameBoard
    private let threads: NIOThreadPool
    private let load: Mutex<Load>
    private let listener: Mutex<HTTPServer?> = Mutex(nil)

    /// - Parameter rate: bytes for each second, of all answers together.
    init(board: FrameBoard, rate: Int64? = nil) {
        self.board = board
        load = Mutex(Load(bucket: rate.map { TokenBucket(rate: $0, now: .now) }))
        threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
    }

    /// - Returns: the port.
    func start(
        host: String, port: Int, tls: TLSContext, group: any EventLoopGroup, logger: Logger
    ) async throws -> Endpoint {
        let server = HTTPServer(
            listeners: [.tcp(host: host, port: port, tls: tls)], drainTime: .seconds(2), logger: logger, group: group
        ) { [self] in await answer($0) }
        listener.withLock { $0 = server }
        return try await server.start()[0]
    }

    func stop() async throws {
        board.close()
        await listener.withLock { $0 }?.drain(within: .seconds(2))
        try await threads.shutdownGracefully()
    }

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard request.method == .GET, parts.count >= 3, parts[0] == Self.path, parts[1] == Self.version else {
            return HTTPResponse(.notFound, text: "there is nothing here\n")
        }
        do {
            if parts.count == 3 { return try await news(of: parts[2]) }
            guard parts.count == 4, let number = Int(parts[3]) else {
                return HTTPResponse(.notFound, text: "there is nothing here\n")
            }
            return try await frame(number, of: parts[2])
        } catch {
            return HTTPResponse(.internalServerError, text: "\(error)\n")
        }
    }

    private func frame(_ number: Int, of digest: String) async throws -> HTTPResponse {
        let isFree = load.withLock { load in
            guard load.frames < Self.frameLimit, load.bucket?.take(0, now: .now) ?? .zero == .zero else { return false }
            load.frames += 1
            return true
        }
        guard isFree else { return HTTPResponse(.serviceUnavailable, text: "too much to do: come again\n") }
        defer { load.withLock { $0.frames -= 1 } }
        guard let bytes = try await threads.runIfActive({ [board] in try board.frame(number, ofDisk: digest) }) else {
            return HTTPResponse(.notFound, text: "this frame is not here\n")
        }
        load.withLock { _ = $0.bucket?.take(bytes.readableBytes, now: .now) }
        return HTTPResponse(.ok, headers: ["content-type": "application/zstd"], body: .bytes(bytes))
    }

    private func news(of digest: String) async throws -> HTTPResponse {
        guard load.withLock({ $0.followers < Self.followerLimit }) else {
            return HTTPResponse(.serviceUnavailable, text: "too many follow already\n")
        }
        guard let news = try await threads.runIfActive({ [board] in try board.follow(digest) }) else {
            return HTTPResponse(.notFound, text: "that is no disk's digest\n")
        }
        return HTTPResponse(
            .ok, headers: ["content-type": "text/plain", Self.identity: board.id],
            body: .stream { [self] writer in
                load.withLock { $0.followers += 1 }
                defer { load.withLock { $0.followers -= 1 } }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for await piece in news { try await writer.write(ByteBuffer(string: piece.line + "\n")) }
                    }
                    group.addTask {
                        while true {
                            try await writer.write(ByteBuffer(string: "\n"))
                            try await Task.sleep(for: Self.pulse)
                        }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            })
    }
}
