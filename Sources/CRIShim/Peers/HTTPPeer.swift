import HTTP
import NIOCore
import NIOHTTP1
import Sockets
import TLS
import VMImages
import Waiting

/// Another shim, asked over mutual TLS.
final class HTTPPeer: FramePeer {
    struct Limits: Sendable, Hashable {
        /// A frame that takes longer comes faster from the registry.
        var frame = Duration.seconds(5)
        /// To the head of an answer.
        var answer = Duration.seconds(3)
        /// Three pulses.
        var silence = PeerServer.pulse * 3
    }

    private static let frameBytes = 2 << 20

    let name: String
    private let client: HTTPClient
    private let limits: Limits

    init(
        _ address: PeerConfiguration.Address, tls: TLSContext, limits: Limits = Limits(), group: any EventLoopGroup
    ) {
        name = "\(address)"
        self.limits = limits
        var options = HTTPClientOptions()
        options.connectTimeout = TimeAmount(limits.answer)
        client = HTTPClient(
            endpoint: .tcp(host: address.host, port: address.port), tls: tls, options: options, group: group)
    }

    func close() async { await client.close() }

    func frame(_ number: Int, ofDisk disk: String) async throws -> ByteBuffer? {
        let target = "/\(PeerServer.path)/\(PeerServer.version)/\(disk)/\(number)"
        let overdue = HTTPError(.timedOut, "frame \(number) did not come within \(limits.frame)")
        return try await withDeadline(limits.frame, or: overdue) { [client, limits] in
            let response = try await client.execute(.GET, target, timeout: TimeAmount(limits.answer))
            let bytes = try await response.body.collect(upTo: Self.frameBytes)
            switch response.status {
            case .ok: return bytes
            case .serviceUnavailable: return nil
            default: throw HTTPError(.failed, "frame \(number) is not to be had there (\(response.status.code))")
            }
        }
    }

    func follow(disk: String) async throws -> (id: String, news: AsyncThrowingStream<FrameNews, any Error>) {
        let target = "/\(PeerServer.path)/\(PeerServer.version)/\(disk)"
        let response = try await client.execute(.GET, target, timeout: TimeAmount(limits.answer))
        guard response.status == .ok, let id = response.headers.first(name: PeerServer.identity) else {
            throw HTTPError(.failed, "it does not say what it has (\(response.status.code))")
        }
        let (news, continuation) = AsyncThrowingStream.makeStream(of: FrameNews.self)
        let task = Task { [limits] in
            do {
                try await Self.read(response.body, continuation, silence: limits.silence)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return (id, news)
    }

    /// Lines as they come. One that falls silent is gone.
    private static func read(
        _ body: HTTPBody, _ continuation: AsyncThrowingStream<FrameNews, any Error>.Continuation, silence: Duration
    ) async throws {
        let watch = StallWatch(limit: silence)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var rest = ByteBuffer()
                for try await var bytes in body {
                    watch.progressed()
                    rest.writeBuffer(&bytes)
                    while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                        let line = rest.readString(length: end - rest.readerIndex) ?? ""
                        rest.moveReaderIndex(forwardBy: 1)
                        if line.isEmpty { continue }
                        guard let news = FrameNews(line: line) else {
                            throw HTTPError(.failed, "it says what makes no sense")
                        }
                        continuation.yield(news)
                    }
                    rest.discardReadBytes()
                    guard rest.readableBytes < FrameNews.lineLimit else {
                        throw HTTPError(.tooLarge, "it says more than there is to say")
                    }
                }
            }
            group.addTask {
                try await watch.stalled()
                throw HTTPError(.timedOut, "it has fallen silent")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
