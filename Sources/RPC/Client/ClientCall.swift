import NIOCore

/// One call of a client: what it sends, what came back so far, and who waits for it. Confined to the event loop.
final class ClientCall {
    /// Who gets the messages and the end of the call.
    enum Sink {
        case unary(EventLoopPromise<ByteBuffer>)
        case streaming(MessageStream.Source)
    }

    let path: String
    let metadata: Metadata
    let request: ByteBuffer
    let sink: Sink
    /// Called once the server answered with headers.
    let opened: EventLoopPromise<Void>?
    let deadline: NIODeadline?
    var timer: Scheduled<Void>?
    /// Refused before it was looked at, it may be sent once more on another connection (gRPC, "transparent retries").
    var mayRetry = true
    var isFinished = false

    // On the connection that carries it.
    weak var connection: ClientConnection?
    var stream: Int32 = 0
    var output: ByteBuffer?
    private(set) var httpStatus = 0
    private(set) var isGRPC = false
    private var status: (code: Int, message: String)?
    private var trailers = Metadata()
    private var headerBlocks = 0
    private var deframer: MessageDeframer
    private var message: ByteBuffer?
    /// Bytes received and not given back to the sender's window, because the reader is behind.
    var heldWindow = 0
    var isReaderBehind = false

    init(
        path: String, metadata: Metadata, request: ByteBuffer, deadline: NIODeadline?, messageLimit: Int, sink: Sink,
        opened: EventLoopPromise<Void>? = nil
    ) {
        self.path = path
        self.metadata = metadata
        self.request = request
        self.deadline = deadline
        self.sink = sink
        self.opened = opened
        deframer = MessageDeframer(limit: messageLimit)
    }

    // MARK: What the server sends

    func take(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        if name.equals(":status") {
            httpStatus = Int(String(decoding: value, as: UTF8.self)) ?? 0
        } else if name.equals("content-type") {
            isGRPC = value.starts(with: "application/grpc".utf8)
        } else if name.equals("grpc-status") {
            status = (Int(String(decoding: value, as: UTF8.self)) ?? 2, status?.message ?? "")
        } else if name.equals("grpc-message") {
            status = (status?.code ?? 2, PercentEncoding.decode(String(decoding: value, as: UTF8.self)))
        } else if name.first != UInt8(ascii: ":"), headerBlocks > 0 || status != nil {
            trailers.add(lowercase: String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }

    /// A header block is complete: nil, or why the answer cannot be gRPC.
    func finishedHeaders(endingAnswer: Bool) -> RPCError? {
        headerBlocks += 1
        if headerBlocks == 1 {
            guard httpStatus == 200, isGRPC else { return notGRPC }
            // A header block that is also the end (trailers-only) carries a status, not an open stream.
            if !endingAnswer { opened?.succeed(()) }
        }
        return nil
    }

    /// gRPC over HTTP/2, "HTTP2 Transport Mapping": how other answers translate.
    private var notGRPC: RPCError {
        let code: RPCError.Code =
            switch httpStatus {
            case 400: .internalError
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
        return RPCError(
            code, "\(path): the server answered HTTP \(httpStatus), which is no gRPC answer; is this a CRI endpoint?")
    }

    func take(_ bytes: UnsafeRawBufferPointer, _ allocator: ByteBufferAllocator) throws(RPCError) {
        deframer.append(bytes, allocator: allocator)
        while let next = try deframer.next() {
            switch sink {
            case .unary:
                guard message == nil else {
                    throw RPCError(.internalError, "\(path): the server sent more than one message")
                }
                message = next
            case .streaming(let source):
                if case .stopProducing = source.yield(next) { isReaderBehind = true }
            }
        }
    }

    /// The server has said all. A status that never came is an error (gRPC over HTTP/2, "Responses").
    func ended() {
        guard let status else {
            return finish(.failure(RPCError(.internalError, "\(path): the server ended the answer without a status")))
        }
        if let code = RPCError.Code(wireValue: status.code) {
            return finish(.failure(RPCError(code, status.message, metadata: trailers)))
        }
        if deframer.isMidMessage {
            return finish(.failure(RPCError(.internalError, "\(path): the answer ends in the middle of a message")))
        }
        finish(.success(()))
    }

    // MARK: The end

    func finish(_ result: Result<Void, RPCError>) {
        guard !isFinished else { return }
        isFinished = true
        timer?.cancel()
        switch (sink, result) {
        case (.unary(let promise), .success):
            if let message {
                promise.succeed(message)
            } else {
                promise.fail(RPCError(.internalError, "\(path): the server answered OK without a message"))
            }
        case (.unary(let promise), .failure(let error)): promise.fail(error)
        case (.streaming(let source), .success): source.finish()
        case (.streaming(let source), .failure(let error)): source.finish(error)
        }
        switch result {
        case .success: opened?.succeed(())
        case .failure(let error): opened?.fail(error)
        }
    }
}
