import HTTP
public import NIOCore
import Sockets

/// The connected streams of an exec or of an attached container.
public struct DockerStream: Sendable {
    private let connection: RawConnection
    private let what: String
    private let endpoint: Endpoint
    private let tty: Bool

    init(_ connection: RawConnection, what: String, endpoint: Endpoint, tty: Bool) {
        self.connection = connection
        self.what = what
        self.endpoint = endpoint
        self.tty = tty
    }

    /// The process's output as it comes, to be read once. With a terminal all of it is stdout. A connection that the
    /// engine lost ends it like the process's end does: ask how the process ended.
    public var frames: DockerFrames {
        DockerFrames(bytes: EngineBytes(body: connection.inbound, what: what, endpoint: endpoint), tty: tty)
    }

    /// Sends to the process's stdin; suspends until the bytes are taken.
    public func write(_ bytes: ByteBuffer) async throws {
        do {
            try await connection.write(bytes)
        } catch {
            throw DockerError.explained(error, what, endpoint)
        }
    }

    /// The process reads the end of its stdin.
    public func closeInput() async throws {
        do {
            try await connection.closeOutput()
        } catch {
            throw DockerError.explained(error, what, endpoint)
        }
    }

    public func close() async { await connection.close() }
}

/// The output of a process, taken apart.
public struct DockerFrames: AsyncSequence, Sendable {
    let bytes: EngineBytes
    let tty: Bool

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: EngineBytes.AsyncIterator
        let tty: Bool
        var demultiplexer = Demultiplexer()

        /// - Throws: `DockerError` when the stream is malformed or the connection breaks.
        public mutating func next() async throws -> DockerFrame? {
            while true {
                if !tty, let frame = try demultiplexer.next() { return frame }
                guard let bytes = try await base.next() else {
                    try demultiplexer.finish()
                    return nil
                }
                if tty { return DockerFrame(stream: .stdout, bytes: bytes, endsFrame: false) }
                demultiplexer.append(bytes)
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: bytes.makeAsyncIterator(), tty: tty) }
}
