public import NIOCore

/// A TCP connection into a guest, or out of it. Closed at the latest with this object.
public final class GuestConnection: Sendable {
    let stream: SSHStream

    init(_ stream: SSHStream) { self.stream = stream }

    /// What arrives, for one reader; ends when the other side closes its direction.
    public var inbound: Inbound { Inbound(stream: stream) }

    /// Suspends until the connection has taken all of it.
    public func write(_ bytes: ByteBuffer) async throws {
        try await stream.perform { .write(bytes, $0) }
    }

    /// The other side reads to the end; it may still send.
    public func closeOutput() { stream.post(.end) }

    /// Again: nothing.
    public func close() { stream.close() }

    public struct Inbound: AsyncSequence, Sendable {
        let stream: SSHStream

        public func makeAsyncIterator() -> Iterator { Iterator(stream: stream) }

        public struct Iterator: AsyncIteratorProtocol {
            let stream: SSHStream

            public mutating func next() async throws -> ByteBuffer? {
                while let arrival = try await stream.arrivals.next() {
                    // There is no error output on such a channel.
                    if case .output(let bytes) = arrival { return bytes }
                }
                return nil
            }
        }
    }
}
