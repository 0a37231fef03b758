public import NIOCore

/// The bytes of a request or response as they come. Reading slowly slows the sender down; dropping it before the end
/// closes the connection.
public struct HTTPBody: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    typealias Producer = NIOThrowingAsyncSequenceProducer<
        ByteBuffer, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, InboundDelegate
    >

    private let producer: Producer?

    init(_ producer: Producer?) { self.producer = producer }

    /// No bytes.
    public static var empty: HTTPBody { HTTPBody(nil) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: Producer.AsyncIterator?

        /// - Throws: `HTTPError` when the connection breaks before the end.
        public mutating func next() async throws -> ByteBuffer? {
            guard base != nil else { return nil }
            guard let bytes = try await base!.next() else {
                try Task.checkCancellation()
                return nil
            }
            return bytes
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: producer?.makeAsyncIterator()) }

    /// All of it.
    /// - Throws: `HTTPError` of code `tooLarge` for more than `limit` bytes.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var all = ByteBuffer()
        for try await var bytes in self {
            guard all.readableBytes + bytes.readableBytes <= limit else {
                throw HTTPError(.tooLarge, "the body is larger than \(limit) bytes")
            }
            all.writeBuffer(&bytes)
        }
        return all
    }
}

/// Sends the bytes of a streamed body.
public struct HTTPBodyWriter: Sendable {
    let channel: any Channel
    let wrap: @Sendable (ByteBuffer) -> EventLoopFuture<Void>

    /// Suspends until the bytes are on their way.
    /// - Throws: when the connection is gone.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        try Task.checkCancellation()
        try await wrap(bytes).get()
    }
}

/// How a reader's demand reaches the channel that produces.
struct InboundDelegate: NIOAsyncSequenceProducerDelegate {
    let eventLoop: any EventLoop
    let onDemand: @Sendable () -> Void
    let onEnd: @Sendable () -> Void

    func produceMore() { eventLoop.execute(onDemand) }
    func didTerminate() { eventLoop.execute(onEnd) }
}

extension HTTPBody {
    static func makeProducer(_ delegate: InboundDelegate) -> Producer.NewSequence {
        Producer.makeSequence(
            elementType: ByteBuffer.self, failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: 2, highWatermark: 8), finishOnDeinit: true, delegate: delegate)
    }
}
