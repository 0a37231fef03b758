import HTTP
public import NIOCore

/// The connected streams of an exec or of an attached container.
public struct DockerStream: Sendable {
    private let connection: RawConnection
    private let tty: Bool

    init(_ connection: RawConnection, tty: Bool) {
        self.connection = connection
        self.tty = tty
    }

    /// The process's output as it comes. With a terminal all of it is stdout.
    public var frames: DockerFrames { DockerFrames(bytes: connection.inbound, tty: tty) }

    /// Sends to the process's stdin; suspends until the bytes are taken.
    public func write(_ bytes: ByteBuffer) async throws { try await connection.write(bytes) }

    /// The process reads the end of its stdin.
    public func closeInput() async throws { try await connection.closeOutput() }

    public func close() async { await connection.close() }
}

/// The output of a process, taken apart.
public struct DockerFrames: AsyncSequence, Sendable {
    let bytes: HTTPBody
    let tty: Bool

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: HTTPBody.AsyncIterator
        let tty: Bool
        var demultiplexer = Demultiplexer()

        /// - Throws: `DockerError` when the stream is malformed, `HTTPError` when the connection breaks.
        public mutating func next() async throws -> DockerFrame? {
            while true {
                if !tty, let frame = try demultiplexer.next() { return frame }
                guard let bytes = try await base.next() else { return nil }
                if tty { return DockerFrame(stream: .stdout, bytes: bytes, endsFrame: false) }
                demultiplexer.append(bytes)
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: bytes.makeAsyncIterator(), tty: tty) }
}
