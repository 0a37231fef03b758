import NIOCore

/// A frame of SPDY/3.1 (SPDY Protocol Draft 3.1, 2.6). Settings and the like that nobody here reads are `ignored`.
enum SPDYFrame: Equatable {
    case data(stream: UInt32, bytes: ByteBuffer, fin: Bool)
    case synStream(stream: UInt32, headers: SPDYHeaders, fin: Bool)
    case synReply(stream: UInt32, headers: SPDYHeaders, fin: Bool)
    case rstStream(stream: UInt32, status: UInt32)
    case ping(id: UInt32)
    case goAway(lastStream: UInt32, status: UInt32 = 0)
    case headers(stream: UInt32, fin: Bool)
    case windowUpdate(stream: UInt32, delta: UInt32)
    case ignored

    /// Carries something of a stream, unlike pings and windows.
    var isActivity: Bool {
        switch self {
        case .data, .synStream, .synReply, .headers: true
        case .rstStream, .ping, .goAway, .windowUpdate, .ignored: false
        }
    }
}

/// Ordered header fields with lower-case names.
struct SPDYHeaders: Equatable, ExpressibleByDictionaryLiteral {
    var fields: [(name: String, value: String)]

    init(_ fields: [(name: String, value: String)] = []) { self.fields = fields }

    init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { ($0.lowercased(), $1) } }

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    static func == (left: Self, right: Self) -> Bool { left.fields.elementsEqual(right.fields) { $0 == $1 } }
}

/// What a peer did wrong.
struct SPDYProtocolError: Error, CustomStringConvertible {
    let description: String
}

/// The numbers of control frames, and the statuses of RST_STREAM and GOAWAY.
enum SPDYNumbers {
    static let version: UInt16 = 3
    static let synStream: UInt16 = 1
    static let synReply: UInt16 = 2
    static let rstStream: UInt16 = 3
    static let settings: UInt16 = 4
    static let ping: UInt16 = 6
    static let goAway: UInt16 = 7
    static let headers: UInt16 = 8
    static let windowUpdate: UInt16 = 9
    static let fin: UInt8 = 1

    // RST_STREAM
    static let refusedStream: UInt32 = 3
    static let cancel: UInt32 = 5

    // GOAWAY
    static let goAwayProtocolError: UInt32 = 1
}
