import FoundationEssentials
import NIOCore

/// What QEMU tells without being asked, as far as it matters here. Fields other versions add are ignored.
struct QMPEvent: Sendable, Hashable {
    enum Name: String, Sendable, CaseIterable {
        case shutdown = "SHUTDOWN"
        case reset = "RESET"
        case stop = "STOP"
        case resume = "RESUME"
        case guestPanicked = "GUEST_PANICKED"
        case blockError = "BLOCK_IO_ERROR"
    }

    var name: Name
    /// Why it shut down: `guest-shutdown`, `guest-panic`, `host-qmp-quit`, `host-signal`, …
    var reason: String?
    /// The disk that failed,
    var device: String?
    /// and whether it failed for lack of space.
    var lacksSpace: Bool?
}

/// A line of the monitor's protocol.
enum QMPMessage {
    case greeting
    case answer(id: Int, line: [UInt8])
    case refused(id: Int, description: String)
    case event(QMPEvent)
    /// An event nobody here needs, or a kind of message that does not exist yet.
    case other

    private struct Head: Decodable {
        struct Failure: Decodable {
            var desc: String
        }
        struct Greeting: Decodable {}
        var QMP: Greeting?
        var id: Int?
        var event: String?
        var error: Failure?
    }

    private struct Event: Decodable {
        struct Facts: Decodable {
            var reason: String?
            var device: String?
            var nospace: Bool?
        }
        var data: Facts?
    }

    init(line: [UInt8]) throws {
        let data = Data(line)
        let head = try JSONDecoder().decode(Head.self, from: data)
        if let text = head.event {
            guard let name = QMPEvent.Name(rawValue: text) else {
                self = .other
                return
            }
            let facts = try JSONDecoder().decode(Event.self, from: data).data
            self = .event(
                QMPEvent(name: name, reason: facts?.reason, device: facts?.device, lacksSpace: facts?.nospace))
        } else if let id = head.id {
            self = head.error.map { .refused(id: id, description: $0.desc) } ?? .answer(id: id, line: line)
        } else {
            self = head.QMP == nil ? .other : .greeting
        }
    }

    private struct Answer<Result: Decodable>: Decodable {
        var `return`: Result
    }

    static func result<Result: Decodable>(_ type: Result.Type, of line: [UInt8]) throws -> Result {
        try JSONDecoder().decode(Answer<Result>.self, from: Data(line)).return
    }
}

/// What `query-status` answers.
struct QMPStatus: Decodable, Sendable {
    /// `running`, `paused`, `internal-error`, `io-error`, …
    var status: String
}

/// What `query-migrate` answers: how far saving a machine has come.
struct QMPMigration: Decodable, Sendable {
    /// `setup`, `active`, `device`, `completed`, `failed`, …; absent before the first.
    var status: String?
    var reason: String?

    private enum CodingKeys: String, CodingKey {
        case status
        case reason = "error-desc"
    }
}

/// An element of what `query-blockstats` answers.
struct QMPBlockStatistics: Decodable, Sendable {
    struct Numbers: Decodable, Sendable {
        var read: Int64
        var written: Int64

        private enum CodingKeys: String, CodingKey {
            case read = "rd_bytes"
            case written = "wr_bytes"
        }
    }

    var node: String?
    var stats: Numbers

    private enum CodingKeys: String, CodingKey {
        case node = "node-name"
        case stats
    }
}

/// What `query-balloon` answers.
struct QMPBalloon: Decodable, Sendable {
    /// Bytes the guest has.
    var actual: Int64
}

/// What the guest said of its memory last.
struct QMPGuestMemory: Decodable, Sendable {
    struct Numbers: Decodable, Sendable {
        /// All ones is not known.
        var available: UInt64?

        private enum CodingKeys: String, CodingKey { case available = "stat-available-memory" }
    }

    var stats: Numbers

    var availableBytes: Int64? { stats.available.flatMap(Int64.init(exactly:)) }
}

/// Bytes into lines.
struct LineSplitter {
    struct TooLong: Error {}
    private var rest: [UInt8] = []
    let limit: Int

    init(limit: Int = 1 << 20) { self.limit = limit }

    mutating func add(_ bytes: ByteBuffer) throws -> [[UInt8]] {
        rest += bytes.readableBytesView
        var lines: [[UInt8]] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            var line = rest[..<end]
            if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
            if !line.isEmpty { lines.append(Array(line)) }
            rest.removeSubrange(...end)
        }
        guard rest.count <= limit else { throw TooLong() }
        return lines
    }
}
