public import NIOCore

/// One message of a container's log.
public struct LogEntry: Sendable, Equatable {
    /// Nanoseconds since 1970.
    public var timestamp: Int64
    public var stream: StandardStream
    /// Without the line's end.
    public var bytes: ByteBuffer
    /// The line goes on in the next message of this stream, or the process ended without ending it.
    public var isPartial: Bool

    public init(timestamp: Int64, stream: StandardStream, bytes: ByteBuffer, isPartial: Bool) {
        self.timestamp = timestamp
        self.stream = stream
        self.bytes = bytes
        self.isPartial = isPartial
    }
}

/// A container's log, in batches: what one read from the engine brought. To be read once.
public struct LogEntries: AsyncSequence, Sendable {
    public typealias Element = [LogEntry]
    let bytes: EngineBytes
    let tty: Bool

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: EngineBytes.AsyncIterator
        var parser: LogParser

        /// - Throws: `DockerError` when the stream is malformed or the connection breaks.
        public mutating func next() async throws -> [LogEntry]? {
            while let bytes = try await base.next() {
                let entries = try parser.take(bytes)
                if !entries.isEmpty { return entries }
            }
            return try parser.finish().map { [$0] }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: bytes.makeAsyncIterator(), parser: LogParser(tty: tty))
    }
}
