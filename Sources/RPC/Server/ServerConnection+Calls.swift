import NIOCore

/// From a request to its handler.
extension ServerConnection {
    func makeContext(_ stream: ServerStream, _ loop: any EventLoop) -> CallContext {
        CallContext(
            method: stream.path, metadata: stream.metadata,
            deadline: stream.timeout.map { stream.started + .nanoseconds($0.wholeNanoseconds) }, peer: peer,
            localAddress: peer.address == nil ? nil : context?.localAddress, eventLoop: loop)
    }

    /// Refuses a call for its headers; nil when they are fine.
    func refusal(_ stream: ServerStream) -> RPCError? {
        if stream.headerBytes > limits.headers {
            return RPCError(.resourceExhausted, "the headers of the call are larger than \(limits.headers) bytes")
        }
        if stream.malformedTimeout { return RPCError(.invalidArgument, "grpc-timeout is malformed") }
        if router.handlers[stream.path] == nil {
            return RPCError(.unimplemented, "there is no method \(stream.path) here")
        }
        if let encoding = stream.encoding, encoding != "identity" {
            return RPCError(.unimplemented, "messages in the encoding \"\(encoding)\" are not understood; use identity")
        }
        return nil
    }

    func dispatch(_ stream: ServerStream) {
        guard stream.state == .receiving, let context else { return }
        guard let request = stream.request else {
            return finish(stream, RPCError(.internalError, "the call to \(stream.path) carried no whole message"))
        }
        stream.request = nil
        stream.state = .handling
        let call = makeContext(stream, context.eventLoop)
        if let deadline = call.deadline, deadline <= .now() {
            return finish(stream, RPCError(.deadlineExceeded, "the deadline of \(stream.path) had passed on arrival"))
        }
        switch router.handlers[stream.path]! {
        case .unary(let handler):
            do {
                switch try handler(request, call) {
                case .now(let response): try answer(stream, response)
                case .encoded(let bytes): answer(stream, encoded: bytes)
                case .later(let work):
                    launch(stream, call) { connection, id in
                        let response = try await work()
                        call.eventLoop.execute { connection.value.complete(id, response) }
                    }
                }
            } catch {
                finish(stream, Self.rpcError(error, stream.path))
            }
        case .streaming(let handler):
            sendHead(stream)
            let limit = limits.message
            launch(stream, call) { connection, id in
                try await handler(
                    request, call,
                    RawResponseWriter(
                        connection: connection, stream: id, eventLoop: call.eventLoop, messageLimit: limit))
                call.eventLoop.execute { connection.value.complete(id, nil) }
            }
        }
    }

    /// Runs the handler in a task of its own, which ends with the call: `ServerStream.cancel` cancels it.
    func launch(
        _ stream: ServerStream, _ call: CallContext,
        _ work: @escaping @Sendable (NIOLoopBound<ServerConnection>, Int32) async throws -> Void
    ) {
        let bound = NIOLoopBound(self, eventLoop: call.eventLoop)
        let id = stream.id
        if let deadline = call.deadline {
            stream.deadline = call.eventLoop.scheduleTask(deadline: deadline) { bound.value.expire(id) }
        }
        stream.task = Task { @Sendable in
            do {
                try await work(bound, id)
            } catch {
                let failure = ServerConnection.rpcError(error, call.method)
                call.eventLoop.execute { bound.value.fail(id, failure) }
            }
        }
    }

    static func rpcError(_ error: any Error, _ path: String) -> RPCError {
        switch error {
        case let error as RPCError: error
        case let error as any RPCErrorConvertible: error.rpcError
        case is CancellationError: RPCError(.cancelled, "\(path) was cancelled")
        default: RPCError(.unknown, "\(path): \(error)", cause: error)
        }
    }

    func complete(_ id: Int32, _ response: (any RPCMessage)?) {
        guard let stream = streams[id], stream.state == .handling else { return }
        do {
            if let response { try answer(stream, response) } else { finish(stream, nil) }
        } catch {
            finish(stream, Self.rpcError(error, stream.path))
        }
        flush()
    }

    func fail(_ id: Int32, _ error: RPCError) {
        guard let stream = streams[id], stream.state == .handling else { return }
        finish(stream, error)
        flush()
    }

    func expire(_ id: Int32) {
        guard let stream = streams[id], stream.state == .handling else { return }
        finish(stream, RPCError(.deadlineExceeded, "\(stream.path) took longer than its caller wanted to wait"))
        stream.cancel()
        flush()
    }
}
