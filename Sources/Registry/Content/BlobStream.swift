public import NIOCore

/// A blob, or a run of it, as it comes. Dropping it, or cancelling who reads it, ends the transfer.
public struct BlobStream: AsyncSequence, Sendable {
    /// What comes, counted from the blob's beginning: not always what was asked for. A server that serves no ranges
    /// gives the whole.
    public let range: Range<Int64>
    private let begin: @Sendable () -> AsyncIterator

    /// - Parameter base: gives exactly as many bytes as `range` has, or throws.
    public init<Base: AsyncSequence & Sendable>(range: Range<Int64>, _ base: Base) where Base.Element == ByteBuffer {
        self.range = range
        begin = {
            var iterator = base.makeAsyncIterator()
            return AsyncIterator { try await iterator.next() }
        }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let advance: () async throws -> ByteBuffer?

        fileprivate init(_ advance: @escaping () async throws -> ByteBuffer?) { self.advance = advance }

        /// - Throws: ``RegistryError`` when less or more comes than was announced, or nothing for too long;
        ///   `CancellationError`.
        public mutating func next() async throws -> ByteBuffer? { try await advance() }
    }

    /// What comes over a network can be read once.
    public func makeAsyncIterator() -> AsyncIterator { begin() }

    /// All of it.
    /// - Throws: `wrongContent` for more than `limit` bytes.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var all = ByteBuffer()
        for try await var bytes in self {
            guard all.readableBytes + bytes.readableBytes <= limit else {
                throw RegistryError(.wrongContent, "a blob is larger than the \(limit) bytes it may have")
            }
            all.writeBuffer(&bytes)
        }
        return all
    }
}
