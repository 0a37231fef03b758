import CSSH2

/// One channel of a session. Belongs to the connection's thread, and is not used after ``free()`` succeeded.
final class SSHChannel {
    private let session: SSHSession
    private let handle: OpaquePointer

    init(_ session: SSHSession, _ handle: OpaquePointer) {
        self.session = session
        self.handle = handle
    }

    /// - Parameter modes: terminal modes in the protocol's encoding.
    func requestTerminal(_ type: String, modes: [UInt8], _ size: TerminalSize) throws -> Void? {
        let code = modes.withUnsafeBytes {
            libssh2_channel_request_pty_ex(
                handle, type, UInt32(type.utf8.count), $0.bindMemory(to: CChar.self).baseAddress, UInt32($0.count),
                Int32(clamping: size.columns), Int32(clamping: size.rows), 0, 0)
        }
        return try session.outcome(code).map { _ in () }
    }

    func resize(_ size: TerminalSize) throws -> Void? {
        try session.outcome(
            libssh2_channel_request_pty_size_ex(
                handle, Int32(clamping: size.columns), Int32(clamping: size.rows), 0, 0)
        ).map { _ in () }
    }

    func execute(_ command: String) throws -> Void? {
        try session.outcome(
            libssh2_channel_process_startup(handle, "exec", 4, command, UInt32(command.utf8.count))
        ).map { _ in () }
    }

    /// - Returns: how many bytes were taken; nil when there is no room now.
    func write(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
        let count = libssh2_channel_write_ex(handle, 0, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
        guard let taken = try session.outcome(Int32(count)), taken > 0 else { return nil }
        return Int(taken)
    }

    func sendEnd() throws -> Void? {
        try session.outcome(libssh2_channel_send_eof(handle)).map { _ in () }
    }

    /// Takes what has arrived for all channels from the wire, up to this one's end.
    /// - Returns: whether all was taken.
    func pump() throws -> Bool {
        try session.outcome(libssh2_channel_wait_eof(handle)) == nil
    }

    /// - Returns: 0 at the end of the stream, or when nothing is there.
    func read(errorOutput: Bool, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = libssh2_channel_read_ex(
            handle, errorOutput ? SSH_EXTENDED_DATA_STDERR : 0, buffer.bindMemory(to: CChar.self).baseAddress,
            buffer.count)
        return Int(try session.outcome(Int32(count)) ?? 0)
    }

    /// The peer will send no more, and all of it was read.
    var isAtEnd: Bool { libssh2_channel_eof(handle) > 0 }

    /// Whether the peer has closed it. Only after its end.
    func isClosed() throws -> Bool {
        try session.outcome(libssh2_channel_wait_closed(handle)) != nil
    }

    /// How its process ended, after the peer closed it.
    var exit: GuestExit {
        var signal: UnsafeMutablePointer<CChar>?
        var count = 0
        libssh2_channel_get_exit_signal(handle, &signal, &count, nil, nil, nil, nil)
        if let signal {
            defer { libssh2_free(session.handle, signal) }
            return .signal(String(cString: signal))
        }
        return .code(libssh2_channel_get_exit_status(handle))
    }

    /// Closes it and waits for the peer to do so too.
    func free() throws -> Void? {
        try session.outcome(libssh2_channel_free(handle)).map { _ in () }
    }
}

/// A port on the peer that is forwarded to us.
final class SSHListener {
    private let session: SSHSession
    private let handle: OpaquePointer
    let port: Int

    init(_ session: SSHSession, _ handle: OpaquePointer, port: Int) {
        self.session = session
        self.handle = handle
        self.port = port
    }

    func accept() throws -> SSHChannel? {
        if let channel = libssh2_channel_forward_accept(handle) { return SSHChannel(session, channel) }
        let code = libssh2_session_last_errno(session.handle)
        if code == LIBSSH2_ERROR_CHANNEL_UNKNOWN { return nil }
        _ = try session.outcome(code)
        return nil
    }

    func cancel() throws -> Void? {
        try session.outcome(libssh2_channel_forward_cancel(handle)).map { _ in () }
    }
}
