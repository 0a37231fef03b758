public import Logging
public import NIOCore
public import Sockets
public import TLS

/// A gRPC client over one HTTP/2 connection, made at the first call and again after it was lost.
public final class RPCClient: Sendable {
    public let endpoint: Endpoint
    private let options: RPCClientOptions
    private let eventLoop: any EventLoop
    private let connector: NIOLoopBoundBox<ClientConnector>

    /// - Parameters:
    ///   - tls: for a server that wants TLS; its application protocols must contain `h2`.
    public init(
        endpoint: Endpoint, tls: TLSContext? = nil, options: RPCClientOptions = .init(), group: any EventLoopGroup,
        logger: Logger
    ) {
        self.endpoint = endpoint
        self.options = options
        eventLoop = group.next()
        let eventLoop = eventLoop
        connector = .makeBoxSendingValue(
            ClientConnector(endpoint: endpoint, tls: tls, options: options, eventLoop: eventLoop, logger: logger),
            eventLoop: eventLoop)
    }

    /// Calls a unary method.
    /// - Parameter timeout: after it the call is cancelled on both sides; nil waits without end.
    /// - Throws: `RPCError` with the status; `unavailable` when the server cannot be reached; `CancellationError` when
    ///   the task was cancelled, which cancels the call.
    public func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request, metadata: Metadata = [:], timeout: Duration?
    ) async throws -> Response {
        let bytes = try frame(request)
        let promise = eventLoop.makePromise(of: ByteBuffer.self)
        let slot = CallSlot.make(eventLoop)
        let (connector, path, limit) = (connector, method.path, options.messageLimit)
        do {
            return try await withTaskCancellationHandler {
                eventLoop.execute {
                    let call = ClientCall(
                        path: path, metadata: metadata, request: bytes,
                        deadline: timeout.map { .now() + $0.timeAmount },
                        messageLimit: limit, sink: .unary(promise))
                    if slot.value.hold(call) { connector.value.start(call) }
                }
                return try await promise.futureResult.get().decoded(path)
            } onCancel: {
                eventLoop.execute { slot.value.cancel() }
            }
        } catch let error as RPCError where error.code == .cancelled && Task.isCancelled {
            throw CancellationError()
        }
    }

    /// Calls a server-streaming method and returns as soon as the request is on its way.
    public func stream<Request, Response>(
        _ method: ServerStreamingMethod<Request, Response>, _ request: Request, metadata: Metadata = [:],
        timeout: Duration? = nil
    ) throws -> ResponseStream<Response> {
        start(method, try frame(request), metadata, timeout, opened: nil)
    }

    /// Like ``stream(_:_:metadata:timeout:)``, but returns when the server has accepted the call: what happens
    /// afterwards is in the stream.
    public func openStream<Request, Response>(
        _ method: ServerStreamingMethod<Request, Response>, _ request: Request, metadata: Metadata = [:],
        timeout: Duration? = nil
    ) async throws -> ResponseStream<Response> {
        let opened = eventLoop.makePromise(of: Void.self)
        let stream: ResponseStream<Response>
        do {
            stream = start(method, try frame(request), metadata, timeout, opened: opened)
        } catch {
            opened.fail(error)
            throw error
        }
        try await opened.futureResult.get()
        return stream
    }

    /// Ends every call with `unavailable` and closes the connection; a later call connects again.
    public func close() async {
        try? await eventLoop.flatSubmit { [connector] in connector.value.close() }.get()
    }

    private func start<Request, Response>(
        _ method: ServerStreamingMethod<Request, Response>, _ bytes: ByteBuffer, _ metadata: Metadata,
        _ timeout: Duration?,
        opened: EventLoopPromise<Void>?
    ) -> ResponseStream<Response> {
        let slot = CallSlot.make(eventLoop)
        let messages = MessageStream.make(.init(eventLoop: eventLoop, slot: slot))
        let (connector, path, limit, source) = (connector, method.path, options.messageLimit, messages.source)
        eventLoop.execute {
            let call = ClientCall(
                path: path, metadata: metadata, request: bytes, deadline: timeout.map { .now() + $0.timeAmount },
                messageLimit: limit, sink: .streaming(source), opened: opened)
            if slot.value.hold(call) { connector.value.start(call) }
        }
        return ResponseStream(messages: messages.sequence, path: path)
    }

    private func frame(_ request: some RPCMessage) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        try MessageDeframer.frame(request, limit: options.messageLimit, into: &bytes)
        return bytes
    }
}

extension Duration {
    var timeAmount: TimeAmount { .nanoseconds(wholeNanoseconds) }
}
