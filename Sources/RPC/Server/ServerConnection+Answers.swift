import NIOCore

/// From a handler to the wire.
extension ServerConnection {
    func answer(_ stream: ServerStream, _ response: any RPCMessage) throws {
        var bytes = context!.channel.allocator.buffer(capacity: 512)
        try MessageDeframer.frame(response, limit: limits.message, into: &bytes)
        stream.queue(bytes)
        finish(stream, nil)
    }

    func answer(_ stream: ServerStream, encoded: ByteBuffer) {
        guard encoded.readableBytes <= limits.message else {
            return finish(
                stream,
                RPCError(
                    .resourceExhausted,
                    "the answer of \(encoded.readableBytes) bytes is larger than the limit of \(limits.message) bytes"))
        }
        var encoded = encoded
        var bytes = context!.channel.allocator.buffer(capacity: encoded.readableBytes + 5)
        bytes.writeInteger(0 as UInt8)
        bytes.writeInteger(UInt32(encoded.readableBytes))
        bytes.writeBuffer(&encoded)
        stream.queue(bytes)
        finish(stream, nil)
    }

    func sendHead(_ stream: ServerStream) {
        guard !stream.headSent else { return }
        stream.headSent = true
        session.respond(stream.id, HeaderFields.responseHead, hasBody: true)
    }

    /// The status of the call; nil is OK.
    func finish(_ stream: ServerStream, _ error: RPCError?) {
        stream.state = .finished
        stream.deadline?.cancel()
        observer?(stream.path, error?.code, .now() - stream.started)
        if let error {
            if !stream.headSent {
                // Trailers-only: the one header block carries the status.
                stream.headSent = true
                let extra =
                    error.code == .unimplemented
                    ? HeaderFields.responseHead + [HeaderFields.acceptIdentity] : HeaderFields.responseHead
                HeaderFields.with(extra, HeaderFields.status(error)) { session.respond(stream.id, $0, hasBody: false) }
                // What the caller still sends is not wanted (RFC 9113, 8.1).
                if !stream.requestEnded { unwanted.append(stream.id) }
                return
            }
            stream.trailers = HeaderFields.status(error)
        } else {
            sendHead(stream)
            stream.isOK = true
        }
        resume(stream)
    }

    func resume(_ stream: ServerStream) {
        guard stream.isDeferred else { return }
        stream.isDeferred = false
        session.resume(stream.id)
    }

    // MARK: Streaming handlers

    /// - Parameter isAbandoned: whether the writing task was cancelled before it could begin to wait.
    func write(_ bytes: ByteBuffer, on id: Int32, isAbandoned: () -> Bool, eventLoop: any EventLoop) -> EventLoopFuture<
        Void
    > {
        guard let stream = streams[id], stream.state == .handling else {
            return eventLoop.makeFailedFuture(RPCError(.cancelled, "the call is over"))
        }
        stream.queue(bytes)
        resume(stream)
        flush()
        guard stream.pendingBytes > limits.pendingOutput else { return eventLoop.makeSucceededVoidFuture() }
        guard !isAbandoned() else { return eventLoop.makeFailedFuture(CancellationError()) }
        let promise = eventLoop.makePromise(of: Void.self)
        stream.waitForReader(promise)
        return promise.futureResult
    }

    func abandonWrites(on id: Int32) { streams[id]?.releaseWriters(.failure(CancellationError())) }

    func pendingBytes(on id: Int32) -> Int { streams[id]?.pendingBytes ?? 0 }
}
