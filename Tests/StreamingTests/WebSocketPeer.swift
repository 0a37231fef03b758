import HTTP
import NIOCore
import NIOHTTP1

@testable import Streaming

/// A WebSocket client that says on the wire exactly what a test tells it to.
actor WebSocketPeer {
    enum Received: Equatable {
        case message([UInt8])
        case ping, pong
        case close(UInt16?)
    }

    nonisolated let connection: RawConnection
    nonisolated let subprotocol: String?
    private var decoder = WebSocketDecoder(fromClient: false)
    private var bytes: HTTPBody.AsyncIterator
    private var message: [UInt8] = []

    private init(_ connection: RawConnection, _ subprotocol: String?) {
        self.connection = connection
        self.subprotocol = subprotocol
        bytes = connection.inbound.makeAsyncIterator()
    }

    static let handshake: HTTPHeaders = [
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13",
    ]

    static func upgrade(
        _ harness: Harness, _ request: StreamingRequest, _ headers: HTTPHeaders, _ method: HTTPMethod = .GET
    ) async throws -> (head: HTTPResponseHead, connection: RawConnection) {
        let url = try StreamingURL("\(harness.base)/\(request.kind)/\(harness.server.register(request))")
        return try await HTTPClient(endpoint: url.endpoint, group: Harness.group).upgrade(
            method, url.target, headers: headers, to: "websocket", timeout: .seconds(30))
    }

    static func connect(_ harness: Harness, _ request: StreamingRequest, offering protocols: String...) async throws
        -> WebSocketPeer
    {
        var headers = handshake
        if !protocols.isEmpty { headers.add(name: "sec-websocket-protocol", value: protocols.joined(separator: ",")) }
        let (head, connection) = try await upgrade(harness, request, headers)
        return WebSocketPeer(connection, head.headers.first(name: "sec-websocket-protocol"))
    }

    func send(_ payload: [UInt8], _ opcode: WebSocketOpcode = .binary) async throws {
        var wire = ByteBuffer()
        WebSocketEncoder(masks: true).encode(opcode, ByteBuffer(bytes: payload), into: &wire)
        try await connection.write(wire)
    }

    func send(_ channel: UInt8, _ text: String) async throws { try await send([channel] + text.utf8) }

    func put(_ bytes: [UInt8]) async throws { try await connection.write(ByteBuffer(bytes: bytes)) }

    /// Says goodbye.
    func close() async throws {
        var wire = ByteBuffer()
        WebSocketEncoder(masks: true).encodeClose(1000, reason: "", into: &wire)
        try await connection.write(wire)
    }

    /// The next message or control frame; nil at the end.
    func next() async throws -> Received? {
        while true {
            while let piece = try decoder.next() {
                switch piece {
                case .data(let bytes, _, _, let isEnd):
                    message += bytes.readableBytesView
                    guard isEnd else { continue }
                    defer { message = [] }
                    return .message(message)
                case .ping: return .ping
                case .pong: return .pong
                case .close(let code, _): return .close(code)
                }
            }
            var reader = bytes
            let more = try await reader.next(isolation: self)
            bytes = reader
            guard let more else { return nil }
            decoder.append(more)
        }
    }

    /// All that comes until the server closes; the goodbye is answered.
    func rest() async throws -> [Received] {
        var all: [Received] = []
        while let received = try await next() {
            all.append(received)
            if case .close = received { try await close() }
        }
        return all
    }
}

extension [WebSocketPeer.Received] {
    /// The bytes of one channel, or its first character with what follows it.
    func text(of channel: UInt8) -> String {
        reduce(into: "") { text, received in
            if case .message(let bytes) = received, bytes.first == channel {
                text += String(decoding: bytes.dropFirst(), as: UTF8.self)
            }
        }
    }
}
