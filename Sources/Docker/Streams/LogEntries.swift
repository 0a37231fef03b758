import HTTP
public import NIOCore

/// One message of a container's log.
public struct LogEntry: Sendable, Equatable {
    /// Nanoseconds since 1970.
    public var timestamp: Int64
    public var stream: StandardStream
    /// Without the line's end.
    public var bytes: ByteBuffer
    /// The line goes on in the next message of this stream.
    public var isPartial: Bool

    public init(timestamp: Int64, stream: StandardStream, bytes: ByteBuffer, isPartial: Bool) {
        self.timestamp = timestamp
        self.stream = stream
        self.bytes = bytes
        self.isPartial = isPartial
    }
}

/// A container's log, in batches: what one read from the engine brought.
public struct LogEntries: AsyncSequence, Sendable {
    public typealias Element = [LogEntry]
    let bytes: HTTPBody
    let tty: Bool

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: HTTPBody.AsyncIterator
        var parser: LogParser

        /// - Throws: `DockerError` when the stream is malformed, `HTTPError` when the connection breaks.
        public mutating func next() async throws -> [LogEntry]? {
            while let bytes = try await base.next() {
                let entries = try parser.take(bytes)
                if !entries.isEmpty { return entries }
            }
            return nil
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: bytes.makeAsyncIterator(), parser: LogParser(tty: tty))
    }
}

/// Finds log messages in what `GET /containers/{id}/logs?timestamps=1` sends. Every message begins with its time and a
/// space. Without a terminal one frame is one message; with one there are no frames, and a message ends with its line or
/// at the 16 KiB at which the engine cuts long lines.
struct LogParser {
    /// `2006-01-02T15:04:05.000000000Z`
    private static let stampLength = 30
    private static let cut = 16 * 1024

    private let tty: Bool
    private var demultiplexer = Demultiplexer()
    private var message = ByteBuffer()

    init(tty: Bool) { self.tty = tty }

    mutating func take(_ bytes: ByteBuffer) throws(DockerError) -> [LogEntry] {
        var entries: [LogEntry] = []
        if tty {
            var bytes = bytes
            message.writeBuffer(&bytes)
            while let entry = try nextTerminalMessage() { entries.append(entry) }
            message.discardReadBytes()
            return entries
        }
        demultiplexer.append(bytes)
        while let frame = try demultiplexer.next() {
            var part = frame.bytes
            if message.readableBytes == 0 { message = part } else { message.writeBuffer(&part) }
            guard frame.endsFrame else { continue }
            entries.append(try Self.entry(message, frame.stream))
            message = ByteBuffer()
        }
        return entries
    }

    private mutating func nextTerminalMessage() throws(DockerError) -> LogEntry? {
        let limit = Self.stampLength + 1 + Self.cut
        let view = message.readableBytesView.prefix(limit + 1)
        if let end = view.firstIndex(of: UInt8(ascii: "\n")) {
            return try Self.entry(message.readSlice(length: end - view.startIndex + 1)!, .stdout)
        }
        // Longer without a line's end: the engine cut here.
        guard view.count > limit else { return nil }
        return try Self.entry(message.readSlice(length: limit)!, .stdout)
    }

    private static func entry(_ message: ByteBuffer, _ stream: StandardStream) throws(DockerError) -> LogEntry {
        var rest = message
        guard let stamp = rest.readSlice(length: stampLength), let time = parse(stamp.readableBytesView),
            rest.readInteger(as: UInt8.self) == UInt8(ascii: " ")
        else { throw DockerError(.failed, "a log message of the engine has no time") }
        let isPartial = rest.readableBytesView.last != UInt8(ascii: "\n")
        let bytes = rest.readSlice(length: rest.readableBytes - (isPartial ? 0 : 1))!
        return LogEntry(timestamp: time, stream: stream, bytes: bytes, isPartial: isPartial)
    }

    private static func parse(_ text: ByteBufferView) -> Int64? {
        func number(_ from: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for byte in text[(text.startIndex + from)..<(text.startIndex + from + count)] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2), let nanosecond = number(20, 9), text.last == UInt8(ascii: "Z")
        else { return nil }
        // Days since 1970 of a Gregorian date, with years that begin in March.
        let shifted = month > 2 ? year : year - 1
        let era = shifted / 400
        let yearOfEra = shifted % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return (days * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanosecond
    }
}
