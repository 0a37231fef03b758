import NIOCore

/// What kind of frame it is (RFC 6455, 5.2).
enum WebSocketOpcode: UInt8 {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
}

/// Why a connection is closed (RFC 6455, 7.4.1).
enum WebSocketCloseCode {
    static let normal: UInt16 = 1000
    static let goingAway: UInt16 = 1001
    static let protocolError: UInt16 = 1002
    static let unsupportedData: UInt16 = 1003
    static let invalidData: UInt16 = 1007

    /// Whether a peer may send it: those left out are reserved, or stand for closes without a code.
    static func isSendable(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// The peer sent what no WebSocket peer may send, or what the subprotocol does not know.
struct WebSocketProtocolError: Error, Equatable, CustomStringConvertible {
    /// What the peer is told.
    let code: UInt16
    let description: String

    init(_ description: String, code: UInt16 = WebSocketCloseCode.protocolError) {
        self.code = code
        self.description = description
    }
}

/// What was read of a connection. Messages come in parts as they are received, however large they are.
enum WebSocketPiece: Equatable {
    /// - Parameters:
    ///   - isStart: the message's first bytes.
    ///   - isEnd: nothing more of this message comes.
    case data(ByteBuffer, isText: Bool, isStart: Bool, isEnd: Bool)
    case ping(ByteBuffer)
    case pong
    /// - Parameter code: nil when the peer gave none.
    case close(code: UInt16?, reason: String)
}
