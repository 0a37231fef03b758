import NIOConcurrencyHelpers
public import NIOCore

/// The bytes of a request or response as they come. Reading slowly slows the sender down; dropping it before the end
/// closes the connection. What comes over a connection can be read once.
public struct HTTPBody: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    typealias Producer = NIOThrowingAsyncSequenceProducer<
        ByteBuffer, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, InboundDelegate
    >

    private enum Source: Sendable {
        case bytes(ByteBuffer)
        case connection(Producer)
    }

    private let source: Source
    /// Whether a client sent it: then what is wrong with it is the client's fault.
    private let isOfRequest: Bool
    private let onFirstRead: (@Sendable () -> Void)?
    private let holder: ChannelHolder?
    private let wasRead: NIOLockedValueBox<Bool>?

    /// - Parameters:
    ///   - holder: what keeps the connection open as long as somebody reads.
    ///   - onFirstRead: called when somebody begins to read.
    init(
        _ producer: Producer, isOfRequest: Bool = false, holder: ChannelHolder? = nil,
        onFirstRead: (@Sendable () -> Void)? = nil
    ) {
        source = .connection(producer)
        self.holder = holder
        wasRead = NIOLockedValueBox(false)
        self.isOfRequest = isOfRequest
        self.onFirstRead = onFirstRead
    }

    /// Bytes that are there already.
    public init(_ bytes: ByteBuffer) {
        source = .bytes(bytes)
        isOfRequest = false
        onFirstRead = nil
        holder = nil
        wasRead = nil
    }

    /// No bytes.
    public static var empty: HTTPBody { HTTPBody(ByteBuffer()) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var bytes: ByteBuffer?
        fileprivate var producer: Producer.AsyncIterator?
        fileprivate let holder: ChannelHolder?
        fileprivate var isSecond = false

        /// - Throws: `HTTPError` when the connection breaks before the end; `CancellationError`.
        public mutating func next() async throws -> ByteBuffer? {
            if isSecond {
                throw HTTPError(.invalidArgument, "a body that comes over a connection can be read only once")
            }
            if let ready = bytes.take(), ready.readableBytes > 0 { return ready }
            guard producer != nil else { return nil }
            // A connection that nobody else holds must not be closed while this waits.
            let next = try await producer?.next()
            guard let next = withExtendedLifetime(holder, { next }) else {
                try Task.checkCancellation()
                return nil
            }
            return next
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        let isSecond = wasRead?.withLockedValue { wasRead in
            defer { wasRead = true }
            return wasRead
        }
        if isSecond == true { return AsyncIterator(bytes: nil, producer: nil, holder: nil, isSecond: true) }
        onFirstRead?()
        return switch source {
        case .bytes(let bytes): AsyncIterator(bytes: bytes, producer: nil, holder: nil)
        case .connection(let producer):
            AsyncIterator(bytes: nil, producer: producer.makeAsyncIterator(), holder: holder)
        }
    }

    /// All of it.
    /// - Throws: `HTTPError` of code `tooLarge` for more than `limit` bytes.
    public func collect(upTo limit: Int) async throws -> ByteBuffer {
        var all = ByteBuffer()
        for try await var bytes in self {
            guard all.readableBytes + bytes.readableBytes <= limit else {
                var error = HTTPError(.tooLarge, "the body is larger than \(limit) bytes")
                error.isOfRequest = isOfRequest
                throw error
            }
            all.writeBuffer(&bytes)
        }
        return all
    }
}

/// Sends the bytes of a streamed body.
public struct HTTPBodyWriter: Sendable {
    let send: @Sendable (ByteBuffer) -> EventLoopFuture<Void>

    /// Suspends until the bytes are on their way.
    /// - Throws: when the connection is gone; `CancellationError`.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        try Task.checkCancellation()
        try await send(bytes).valueUnlessCancelled()
    }
}

extension EventLoopFuture<Void> {
    /// Waits for the future; a task that is cancelled stops waiting. What was begun goes on.
    func valueUnlessCancelled() async throws {
        let promise = eventLoop.makePromise(of: Void.self)
        cascade(to: promise)
        try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
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
