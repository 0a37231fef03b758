import HTTP
import NIOCore
import NIOHTTP1
import Sockets

@testable import Streaming

/// A client that says on the wire exactly what a test tells it to.
actor RawPeer {
    nonisolated let connection: RawConnection
    private let encoder = SPDYEncoder()
    private var decoder = SPDYDecoder()
    private var bytes: HTTPBody.AsyncIterator

    init(_ connection: RawConnection) {
        self.connection = connection
        bytes = connection.inbound.makeAsyncIterator()
    }

    static func connect(_ harness: Harness, _ request: StreamingRequest, offering protocols: String...) async throws
        -> RawPeer
    {
        let url = try StreamingURL("\(harness.base)/\(request.kind)/\(harness.server.register(request))")
        let client = HTTPClient(endpoint: url.endpoint, group: Harness.group)
        let (_, connection) = try await client.upgrade(
            .POST, url.target,
            headers: HTTPHeaders([("host", url.host)] + protocols.map { (ChannelProtocol.header, $0) }),
            to: ChannelProtocol.spdy, timeout: .seconds(10))
        return RawPeer(connection)
    }

    func send(_ frames: SPDYFrame...) async throws { try await send(frames) }

    /// All at once.
    func send(_ frames: [SPDYFrame]) async throws {
        var wire = ByteBuffer()
        for frame in frames { encoder.encode(frame, into: &wire) }
        try await connection.write(wire)
    }

    func send(bytes: [UInt8]) async throws { try await connection.write(ByteBuffer(bytes: bytes)) }

    /// The next frame that is no window; nil at the end.
    func next() async throws -> SPDYFrame? {
        while true {
            while let frame = try decoder.next() {
                if case .windowUpdate = frame { continue }
                return frame
            }
            var reader = bytes
            let more = try await reader.next(isolation: self)
            bytes = reader
            guard let more else { return nil }
            decoder.append(more)
        }
    }

    /// Frames up to and with the first that passes.
    func frames(until last: (SPDYFrame) -> Bool) async throws -> [SPDYFrame] {
        var frames: [SPDYFrame] = []
        while let frame = try await next() {
            frames.append(frame)
            if last(frame) { break }
        }
        return frames
    }

    /// All that comes until the server closes.
    func rest() async throws -> [SPDYFrame] { try await frames { _ in false } }
}

extension [SPDYFrame] {
    /// The bytes of one stream.
    func text(of id: UInt32) -> String {
        reduce(into: "") { text, frame in
            if case .data(id, let bytes, _) = frame { text += String(buffer: bytes) }
        }
    }

    func ends(_ id: UInt32) -> Bool {
        contains { if case .data(id, _, true) = $0 { true } else { false } }
    }
}
