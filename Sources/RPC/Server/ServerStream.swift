import NIOCore

/// One call on a server connection: a state machine with its outgoing bytes. Confined to the event loop.
final class ServerStream {
    enum State {
        /// Headers or request bytes are still coming.
        case receiving
        /// The handler has the request.
        case handling
        /// Trailers are queued; nothing more comes from the handler.
        case finished
    }

    var state = State.receiving
    let id: Int32

    // The request.
    var path = ""
    var metadata = Metadata()
    var timeout: Duration?
    var malformedTimeout = false
    var encoding: String?
    var contentTypeIsGRPC = false
    var methodIsPOST = false
    var headerBytes = 0
    var deframer: MessageDeframer
    var request: ByteBuffer?
    /// The caller has sent all it has.
    var requestEnded = false

    // The handler.
    var task: Task<Void, Never>?
    var deadline: Scheduled<Void>?
    let started: NIODeadline

    // The response.
    var headSent = false
    var output: ByteBuffer?
    var trailers: [(name: String, value: String)]?
    var isOK = false
    var isDeferred = false
    /// Writes of a streaming handler that wait for the caller to read.
    private var waitingWriters: [EventLoopPromise<Void>] = []

    init(id: Int32, messageLimit: Int, now: NIODeadline) {
        self.id = id
        deframer = MessageDeframer(limit: messageLimit)
        started = now
    }

    var pendingBytes: Int { output?.readableBytes ?? 0 }

    func queue(_ bytes: ByteBuffer) {
        if output == nil || output!.readableBytes == 0 {
            output = bytes
        } else {
            var bytes = bytes
            output!.writeBuffer(&bytes)
        }
    }

    func waitForReader(_ writer: EventLoopPromise<Void>) { waitingWriters.append(writer) }

    func releaseWriters(_ result: Result<Void, any Error> = .success(())) {
        let waiting = waitingWriters
        waitingWriters = []
        for writer in waiting { writer.completeWith(result) }
    }

    /// The call is over before its handler: nobody waits for that any more.
    func cancel() {
        state = .finished
        deadline?.cancel()
        task?.cancel()
        releaseWriters(.failure(RPCError(.cancelled, "the call is over")))
    }
}
