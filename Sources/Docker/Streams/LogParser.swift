import NIOCore

/// Finds log messages in what `GET /containers/{id}/logs?timestamps=1` sends. Every message begins with its time and a
/// space, and ends with its line's end.
///
/// The engine cuts lines at 16 KiB; such a piece has no line end, nor has what a process wrote last. And Docker 20.10
/// leaves the line end of a cut line away with its `local` log driver. So: a shorter piece after one of the full size
/// is the last of its line, with a line end or without.
struct LogParser {
    /// Bytes at which the engine cuts a line.
    static let cut = 16 * 1024

    private let tty: Bool
    private var demultiplexer = Demultiplexer()
    private var message = ByteBuffer()
    /// The time of the piece before, on streams whose last message was cut.
    private var cutAt: [StandardStream: Int64] = [:]

    init(tty: Bool) { self.tty = tty }

    mutating func take(_ bytes: ByteBuffer) throws(DockerError) -> [LogEntry] {
        tty ? try takeRaw(bytes) : try takeFrames(bytes)
    }

    /// The stream has ended.
    /// - Throws: `DockerError` when that was inside a message.
    mutating func finish() throws(DockerError) -> LogEntry? {
        guard tty else {
            try demultiplexer.finish()
            return nil
        }
        guard message.readableBytes > 0 else { return nil }
        defer { message = ByteBuffer() }
        return try entry(message, .stdout)
    }

    // MARK: Without a terminal one frame is one message

    private mutating func takeFrames(_ bytes: ByteBuffer) throws(DockerError) -> [LogEntry] {
        var entries: [LogEntry] = []
        demultiplexer.append(bytes)
        while let frame = try demultiplexer.next() {
            var part = frame.bytes
            if message.readableBytes == 0 { message = part } else { message.writeBuffer(&part) }
            guard frame.endsFrame else { continue }
            entries.append(try entry(message, frame.stream))
            message = ByteBuffer()
        }
        return entries
    }

    // MARK: With a terminal there are no frames

    private mutating func takeRaw(_ bytes: ByteBuffer) throws(DockerError) -> [LogEntry] {
        var entries: [LogEntry] = []
        // The last piece of a cut line may have no end of its own. But the engine sends each message by itself: where
        // one ends, a read ends. So a read that begins with a time not before the line's begins the next message.
        if let before = cutAt[.stdout], LogTimestamp(message.readableBytesView) != nil,
            let next = LogTimestamp(bytes.readableBytesView), next.nanoseconds >= before
        {
            entries.append(try entry(message, .stdout))
            message = ByteBuffer()
        }
        var bytes = bytes
        message.discardReadBytes()
        message.writeBuffer(&bytes)
        while let entry = try nextRaw() { entries.append(entry) }
        return entries
    }

    private mutating func nextRaw() throws(DockerError) -> LogEntry? {
        let view = message.readableBytesView
        guard let stamp = LogTimestamp(view) else {
            if view.count < LogTimestamp.longest, !view.contains(UInt8(ascii: "\n")) { return nil }
            throw Self.withoutTime(message)
        }
        let limit = stamp.length + Self.cut
        if let end = view.prefix(limit + 1).firstIndex(of: UInt8(ascii: "\n")) {
            return try entry(message.readSlice(length: end - view.startIndex + 1)!, .stdout)
        }
        // Longer without a line's end: the engine cut here.
        guard view.count > limit else { return nil }
        return try entry(message.readSlice(length: limit)!, .stdout)
    }

    // MARK: Messages

    private mutating func entry(_ message: ByteBuffer, _ stream: StandardStream) throws(DockerError) -> LogEntry {
        guard let stamp = LogTimestamp(message.readableBytesView) else { throw Self.withoutTime(message) }
        var rest = message
        rest.moveReaderIndex(forwardBy: stamp.length)
        let endsLine = rest.readableBytesView.last == UInt8(ascii: "\n")
        let bytes = rest.readSlice(length: rest.readableBytes - (endsLine ? 1 : 0))!
        let isCut = !endsLine && bytes.readableBytes >= Self.cut
        let endsCutLine = !isCut && cutAt[stream] != nil
        cutAt[stream] = isCut ? stamp.nanoseconds : nil
        return LogEntry(
            timestamp: stamp.nanoseconds, stream: stream, bytes: bytes, isPartial: !endsLine && !endsCutLine)
    }

    private static func withoutTime(_ message: ByteBuffer) -> DockerError {
        // A failure of the engine's own comes like this where there are no frames.
        let words = String(decoding: message.readableBytesView.prefix(200), as: UTF8.self)
        return DockerError(.failed, "the engine's log has a message without a time: \(words)")
    }
}
