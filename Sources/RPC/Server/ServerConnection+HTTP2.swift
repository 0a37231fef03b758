import CNGHTTP2
import NIOCore

extension ServerConnection: HTTP2SessionDelegate {
    func sessionBeganHeaders(_ id: Int32) {
        guard streams[id] == nil else { return }
        streams[id] = ServerStream(id: id, messageLimit: limits.message, now: .now())
    }

    func session(_ id: Int32, header name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
        guard let stream = streams[id], stream.state == .receiving else { return }
        stream.headerBytes += name.count + value.count + 32
        guard stream.headerBytes <= limits.headers else { return }
        stream.take(name, value)
    }

    func session(_ id: Int32, finishedHeadersEndingStream endsStream: Bool) {
        guard let stream = streams[id], stream.state == .receiving else { return }
        guard stream.contentTypeIsGRPC, stream.methodIsPOST else {
            stream.state = .finished
            session.respond(id, HeaderFields.unsupportedMediaType, hasBody: false)
            if !endsStream { unwanted.append(id) }
            return
        }
        stream.requestEnded = endsStream
        if let refusal = refusal(stream) { return finish(stream, refusal) }
        if endsStream { dispatch(stream) }
    }

    func session(_ id: Int32, data: UnsafeRawBufferPointer) {
        // Window goes back at once: what a request may cost is bounded by the message limit.
        session.consume(id, data.count, connection: true, stream: true)
        guard let stream = streams[id], stream.state == .receiving, let context else { return }
        stream.deframer.append(data, allocator: context.channel.allocator)
        do throws(RPCError) {
            while let message = try stream.deframer.next() {
                guard stream.request == nil else {
                    throw RPCError(.internalError, "\(stream.path) takes one message; the call carried more")
                }
                stream.request = message
            }
        } catch {
            finish(stream, error)
        }
    }

    func sessionEndedStream(_ id: Int32) {
        guard let stream = streams[id] else { return }
        stream.requestEnded = true
        if stream.state == .receiving, stream.deframer.isMidMessage { stream.request = nil }
        dispatch(stream)
    }

    func session(_ id: Int32, closedWith errorCode: UInt32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        if stream.state == .handling { observer?(stream.path, .cancelled, .now() - stream.started) }
        stream.cancel()
    }

    func sessionReceivedReset() {
        let now = NIODeadline.now()
        if now - resets.since > .nanoseconds(limits.resetInterval.wholeNanoseconds) { resets = (now, 0) }
        resets.count += 1
        if resets.count > limits.resets { session.terminate(NGHTTP2_ENHANCE_YOUR_CALM) }
    }

    func sessionReceivedGoAway(lastStream: Int32, errorCode: UInt32) {}
    func sessionReceivedPingAck() { refuseNewCalls() }

    func session(_ id: Int32, bodyUpTo limit: Int) -> HTTP2Body {
        guard let stream = streams[id] else { return .end }
        let ended = stream.isOK || stream.trailers != nil
        guard var output = stream.output, output.readableBytes > 0 else {
            if ended { return .end }
            stream.isDeferred = true
            return .later
        }
        let count = min(limit, output.readableBytes)
        let chunk = output.readSlice(length: count)!
        stream.output = output.readableBytes > 0 ? output : nil
        if stream.pendingBytes <= limits.pendingOutput / 2 { stream.releaseWriters() }
        return .bytes(chunk, isLast: ended && stream.output == nil)
    }

    func sessionSubmitTrailers(_ id: Int32) -> Bool {
        guard let stream = streams[id] else { return false }
        if let trailers = stream.trailers {
            HeaderFields.with([], trailers) { session.trailers(id, $0) }
        } else {
            session.trailers(id, HeaderFields.okTrailers)
        }
        return true
    }
}
