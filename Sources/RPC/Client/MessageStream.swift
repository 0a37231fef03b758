import NIOCore

/// The bytes of the messages of a streaming answer, with back-pressure towards the connection.
enum MessageStream {
    typealias Producer = NIOThrowingAsyncSequenceProducer<
        ByteBuffer, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Delegate
    >
    typealias Source = Producer.Source

    static func make(_ delegate: Delegate) -> Producer.NewSequence {
        Producer.makeSequence(
            elementType: ByteBuffer.self, failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: 4, highWatermark: 16), finishOnDeinit: true, delegate: delegate)
    }

    /// Tells the call, on its event loop, what the reader does.
    struct Delegate: NIOAsyncSequenceProducerDelegate {
        let eventLoop: any EventLoop
        let slot: NIOLoopBoundBox<CallSlot>

        func produceMore() {
            eventLoop.execute {
                guard let call = slot.value.call else { return }
                call.connection?.readerCaughtUp(call)
            }
        }

        func didTerminate() {
            eventLoop.execute { slot.value.cancel() }
        }
    }
}

/// The answer of a server-streaming call: its messages as they come. Reading slowly slows the server down; dropping the
/// stream or cancelling its reader cancels the call.
public struct ResponseStream<Response: RPCMessage>: AsyncSequence, Sendable {
    public typealias Element = Response
    let messages: MessageStream.Producer
    let path: String

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: MessageStream.Producer.AsyncIterator
        let path: String

        /// - Throws: `RPCError`: the status of the call when it is not OK; `CancellationError` when the reading task
        ///   was cancelled.
        public mutating func next() async throws -> Response? {
            guard let bytes = try await base.next() else {
                try Task.checkCancellation()
                return nil
            }
            return try bytes.decoded(path)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: messages.makeAsyncIterator(), path: path)
    }
}

extension ByteBuffer {
    func decoded<Response: RPCMessage>(_ path: String) throws -> Response {
        do {
            return try withUnsafeReadableBytes { try Response(wireBytes: $0) }
        } catch {
            throw RPCError(.internalError, "the answer of \(path) cannot be read: \(error)", cause: error)
        }
    }
}
