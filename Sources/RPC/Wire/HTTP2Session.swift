import CNGHTTP2
import NIOCore

/// What an HTTP/2 session reports. Everything is called on the connection's event loop from inside `receive`; a delegate
/// may submit frames, but must not call `receive` or `send`.
protocol HTTP2SessionDelegate: AnyObject {
    func sessionBeganHeaders(_ stream: Int32)
    func session(_ stream: Int32, header name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>)
    func session(_ stream: Int32, finishedHeadersEndingStream endsStream: Bool)
    func session(_ stream: Int32, data: UnsafeRawBufferPointer)
    func sessionEndedStream(_ stream: Int32)
    func session(_ stream: Int32, closedWith errorCode: UInt32)
    func sessionReceivedReset()
    func sessionReceivedGoAway(lastStream: Int32, errorCode: UInt32)
    func sessionReceivedPingAck()
    /// Bytes to send next on the stream, at most `limit`.
    func session(_ stream: Int32, bodyUpTo limit: Int) -> HTTP2Body
    /// The body is at its end and trailers may follow; false ends the stream with the body.
    func sessionSubmitTrailers(_ stream: Int32) -> Bool
}

enum HTTP2Body {
    case bytes(ByteBuffer, isLast: Bool)
    /// Nothing now; `HTTP2Session.resume` when there is.
    case later
    case end
}

/// The one owner of an nghttp2 session. Not thread-safe: confined to the event loop of its connection.
final class HTTP2Session {
    enum Role { case server, client }

    struct Settings {
        var maxConcurrentStreams: UInt32
        var initialWindow: UInt32
        var connectionWindow: Int32
        var maxHeaderListSize: UInt32
    }

    private var session: OpaquePointer?
    weak var delegate: (any HTTP2SessionDelegate)?
    /// The chunk that nghttp2 was promised and fetches in its send callback.
    private var promised: ByteBuffer?
    private var output = ByteBuffer()

    init(role: Role, settings: Settings) {
        var callbacks: OpaquePointer?
        var options: OpaquePointer?
        nghttp2_session_callbacks_new(&callbacks)
        nghttp2_option_new(&options)
        defer {
            nghttp2_session_callbacks_del(callbacks)
            nghttp2_option_del(options)
        }
        nghttp2_option_set_no_auto_window_update(options, 1)
        nghttp2_option_set_max_outbound_ack(options, 1000)
        nghttp2_option_set_max_send_header_block_length(options, 1 << 20)
        Self.register(callbacks!)
        let me = Unmanaged.passUnretained(self).toOpaque()
        switch role {
        case .server: nghttp2_session_server_new2(&session, callbacks, me, options)
        case .client: nghttp2_session_client_new2(&session, callbacks, me, options)
        }
        var entries = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: settings.initialWindow),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: settings.maxHeaderListSize),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
                value: settings.maxConcurrentStreams),
        ]
        if role == .client {
            entries.append(nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        }
        nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        nghttp2_session_set_local_window_size(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, settings.connectionWindow)
    }

    deinit { nghttp2_session_del(session) }

    // MARK: Bytes in and out

    /// - Returns: false when the peer broke the protocol so that the connection cannot go on.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        return nghttp2_session_mem_recv(session, base.assumingMemoryBound(to: UInt8.self), bytes.count) >= 0
    }

    /// What there is to send now, at most about `limit` bytes; nil when there is nothing.
    func send(limit: Int, allocator: ByteBufferAllocator) -> ByteBuffer? {
        output = allocator.buffer(capacity: 1024)
        outputLimit = limit
        while output.readableBytes < limit {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            if count < 0 { break }
            if count > 0 {
                output.writeBytes(UnsafeRawBufferPointer(start: data, count: count))
            } else if !wroteData {
                break
            }
            wroteData = false
        }
        defer { output = ByteBuffer() }
        return output.readableBytes > 0 ? output : nil
    }
    private var outputLimit = 0
    /// mem_send returns 0 both when it is done and after a DATA frame went through our callback.
    private var wroteData = false

    /// Nothing more will be read or written: the connection may close.
    var isFinished: Bool { nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 }

    // MARK: Frames

    func respond(_ stream: Int32, _ headers: [nghttp2_nv], hasBody: Bool) {
        if hasBody {
            var provider = self.provider
            nghttp2_submit_response(session, stream, headers, headers.count, &provider)
        } else {
            nghttp2_submit_response(session, stream, headers, headers.count, nil)
        }
    }

    func request(_ headers: [nghttp2_nv]) -> Int32 {
        var provider = self.provider
        return nghttp2_submit_request(session, nil, headers, headers.count, &provider, nil)
    }

    func trailers(_ stream: Int32, _ headers: [nghttp2_nv]) {
        nghttp2_submit_trailer(session, stream, headers, headers.count)
    }

    func resume(_ stream: Int32) { nghttp2_session_resume_data(session, stream) }

    func reset(_ stream: Int32, _ code: nghttp2_error_code) {
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, code.rawValue)
    }

    /// Gives window back to the peer for `count` bytes of the stream, for the connection, or both.
    func consume(_ stream: Int32, _ count: Int, connection: Bool, stream streamToo: Bool) {
        if connection { nghttp2_session_consume_connection(session, count) }
        if streamToo { nghttp2_session_consume_stream(session, stream, count) }
    }

    func ping() { nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil) }

    /// Announces that the connection will end; streams that the peer opens meanwhile are still taken (RFC 9113, 6.8).
    func announceShutdown() { nghttp2_submit_shutdown_notice(session) }

    /// No new streams; those that run go on.
    func goAway() {
        let last = nghttp2_session_get_last_proc_stream_id(session)
        nghttp2_submit_goaway(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
    }

    func terminate(_ code: nghttp2_error_code) { nghttp2_session_terminate_session(session, code.rawValue) }

    // MARK: Callbacks

    private var provider: nghttp2_data_provider {
        var provider = nghttp2_data_provider()
        provider.read_callback = { _, stream, _, length, flags, _, context in
            HTTP2Session.from(context!).readBody(stream, length, flags!)
        }
        return provider
    }

    private func readBody(_ stream: Int32, _ limit: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
        switch delegate?.session(stream, bodyUpTo: limit) ?? .end {
        case .later: return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        case .end:
            finishBody(stream, flags)
            return 0
        case .bytes(let chunk, let isLast):
            promised = chunk
            flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if isLast { finishBody(stream, flags) }
            return chunk.readableBytes
        }
    }

    private func finishBody(_ stream: Int32, _ flags: UnsafeMutablePointer<UInt32>) {
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        if delegate?.sessionSubmitTrailers(stream) == true { flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
    }

    private func sendData(_ header: UnsafePointer<UInt8>, _ length: Int) -> Int32 {
        output.writeBytes(UnsafeRawBufferPointer(start: header, count: 9))
        if var chunk = promised {
            output.writeBuffer(&chunk)
            promised = nil
        }
        wroteData = true
        return output.readableBytes < outputLimit ? 0 : Int32(NGHTTP2_ERR_PAUSE.rawValue)
    }

    private static func from(_ context: UnsafeMutableRawPointer) -> HTTP2Session {
        Unmanaged<HTTP2Session>.fromOpaque(context).takeUnretainedValue()
    }

    private static func register(_ callbacks: OpaquePointer) {
        nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, _, header, length, _, context in
            HTTP2Session.from(context!).sendData(header!, length)
        }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
            HTTP2Session.from(context!).delegate?.sessionBeganHeaders(frame!.pointee.hd.stream_id)
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, frame, name, nameLength, value, valueLength, _, context in
            HTTP2Session.from(context!).delegate?.session(
                frame!.pointee.hd.stream_id, header: UnsafeBufferPointer(start: name, count: nameLength),
                value: UnsafeBufferPointer(start: value, count: valueLength))
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
            HTTP2Session.from(context!).received(frame!)
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, data, length, context in
            HTTP2Session.from(context!).delegate?.session(
                stream, data: UnsafeRawBufferPointer(start: data, count: length))
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, context in
            HTTP2Session.from(context!).delegate?.session(stream, closedWith: code)
            return 0
        }
    }

    private func received(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue:
            delegate?.session(header.stream_id, finishedHeadersEndingStream: endsStream)
        case NGHTTP2_DATA.rawValue where endsStream:
            delegate?.sessionEndedStream(header.stream_id)
        case NGHTTP2_RST_STREAM.rawValue: delegate?.sessionReceivedReset()
        case NGHTTP2_GOAWAY.rawValue:
            delegate?.sessionReceivedGoAway(
                lastStream: frame.pointee.goaway.last_stream_id, errorCode: frame.pointee.goaway.error_code)
        case NGHTTP2_PING.rawValue where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0:
            delegate?.sessionReceivedPingAck()
        default: break
        }
    }
}
