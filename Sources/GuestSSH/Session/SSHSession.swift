import CSSH2

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One libssh2 session: all of libssh2 that this room uses is in this file and `SSHChannel.swift`. Nothing here waits: where
/// an answer is outstanding the result is nil, and the same call is to be made again when more has arrived.
///
/// Belongs to the connection's thread.
final class SSHSession {
    let wire: Wire
    let handle: OpaquePointer
    private var isFreed = false

    private static let initialized: Bool = libssh2_init(0) == 0

    init(_ wire: Wire) throws {
        guard Self.initialized,
            let handle = libssh2_session_init_ex(nil, nil, nil, Unmanaged.passUnretained(wire).toOpaque())
        else {
            throw SSHFailure(code: LIBSSH2_ERROR_ALLOC, text: "libssh2 cannot be initialized")
        }
        self.wire = wire
        self.handle = handle
        libssh2_session_set_blocking(handle, 0)
        let send: Send = { _, buffer, count, _, wire in
            wire.wire.accept(buffer, count)
        }
        let receive: Receive = { _, buffer, count, _, wire in
            wire.wire.receive(buffer, count)
        }
        libssh2_session_callback_set(
            handle, LIBSSH2_CALLBACK_SEND, unsafeBitCast(send, to: UnsafeMutableRawPointer.self))
        libssh2_session_callback_set(
            handle, LIBSSH2_CALLBACK_RECV, unsafeBitCast(receive, to: UnsafeMutableRawPointer.self))
    }

    private typealias Send =
        @convention(c) (Int32, UnsafeRawPointer, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Int
    private typealias Receive =
        @convention(c) (Int32, UnsafeMutableRawPointer, Int, Int32, UnsafeMutablePointer<UnsafeMutableRawPointer?>) ->
        Int

    deinit { free() }

    /// With the socket closed nothing in libssh2 waits for the peer any more.
    func free() {
        guard !isFreed else { return }
        isFreed = true
        wire.closeSocket()
        var rounds = 0
        while libssh2_session_free(handle) == LIBSSH2_ERROR_EAGAIN, rounds < 100 { rounds += 1 }
    }

    /// Says goodbye; what that takes is in the wire afterwards.
    func disconnect() {
        libssh2_session_disconnect_ex(handle, SSH_DISCONNECT_BY_APPLICATION, "closed", "")
    }

    func failure() -> SSHFailure {
        var text: UnsafeMutablePointer<CChar>?
        var count: Int32 = 0
        let code = libssh2_session_last_error(handle, &text, &count, 0)
        return SSHFailure(code: code, text: text.map { String(cString: $0) } ?? "unknown error")
    }

    /// nil when the call is to be repeated.
    func outcome(_ code: Int32) throws -> Int32? {
        if code == LIBSSH2_ERROR_EAGAIN { return nil }
        guard code >= 0 else {
            var failure = failure()
            if failure.code != code { failure = SSHFailure(code: code, text: "failed") }
            throw failure
        }
        return code
    }

    // MARK: start

    /// The host key algorithms to prefer, best first.
    func prefer(hostKeys: [String]) {
        _ = libssh2_session_method_pref(handle, LIBSSH2_METHOD_HOSTKEY, hostKeys.joined(separator: ","))
    }

    /// The key exchanges to offer, best first; none is the library's own choice.
    /// - Throws: `GuestSSHError` with `invalidArgument` when it knows none of them.
    func offer(keyExchanges: [String]) throws {
        guard !keyExchanges.isEmpty else { return }
        let names = keyExchanges.joined(separator: ",")
        guard libssh2_session_method_pref(handle, LIBSSH2_METHOD_KEX, names) == 0 else {
            throw GuestSSHError(.invalidArgument, "libssh2 knows none of the key exchanges \(names)")
        }
    }

    func handshake() throws -> Void? {
        try outcome(libssh2_session_handshake(handle, wire.descriptor)).map { _ in () }
    }

    /// The peer's public key in wire form, after the handshake.
    var hostKey: [UInt8] {
        var count = 0
        var type: Int32 = 0
        guard let bytes = libssh2_session_hostkey(handle, &count, &type) else { return [] }
        return UnsafeBufferPointer(start: bytes, count: count).map { UInt8(bitPattern: $0) }
    }

    /// The ways to authenticate; empty when nothing is asked for.
    func methods(user: String) throws -> [String]? {
        if let list = libssh2_userauth_list(handle, user, UInt32(user.utf8.count)) {
            return String(cString: list).split(separator: ",").map(String.init)
        }
        if libssh2_userauth_authenticated(handle) != 0 { return [] }
        return try outcome(libssh2_session_last_errno(handle)).map { _ in [] }
    }

    func authenticate(user: String, keyFile: String, passphrase: String?) throws -> Void? {
        try outcome(
            libssh2_userauth_publickey_fromfile_ex(handle, user, UInt32(user.utf8.count), nil, keyFile, passphrase)
        ).map { _ in () }
    }

    func authenticate(user: String, password: [UInt8]) throws -> Void? {
        let code = password.withUnsafeBytes {
            libssh2_userauth_password_ex(
                handle, user, UInt32(user.utf8.count), $0.bindMemory(to: CChar.self).baseAddress, UInt32($0.count), nil)
        }
        return try outcome(code).map { _ in () }
    }

    /// Answers each question with the wire's password.
    func authenticateInteractively(user: String) throws -> Void? {
        try outcome(
            libssh2_userauth_keyboard_interactive_ex(handle, user, UInt32(user.utf8.count)) {
                _, _, _, _, count, _, responses, abstract in
                guard let responses, let abstract else { return }
                let password = abstract.wire.password ?? []
                for index in 0..<Int(count) {
                    let copy = malloc(max(1, password.count))
                    copy?.copyMemory(from: password, byteCount: password.count)
                    responses[index].text = copy?.assumingMemoryBound(to: CChar.self)
                    responses[index].length = copy == nil ? 0 : UInt32(password.count)
                }
            }
        ).map { _ in () }
    }

    // MARK: requests of the whole connection

    /// One channel at a time can be on its way: until the result is there the arguments must stay the same.
    func open(_ kind: String, message: [UInt8], window: Int) throws -> SSHChannel? {
        let channel = message.withUnsafeBytes {
            libssh2_channel_open_ex(
                handle, kind, UInt32(kind.utf8.count), UInt32(window), 32768,
                $0.bindMemory(to: CChar.self).baseAddress, UInt32($0.count))
        }
        if let channel { return SSHChannel(self, channel) }
        _ = try outcome(libssh2_session_last_errno(handle))
        return nil
    }

    /// Also one at a time.
    func listen(host: String, port: Int, backlog: Int) throws -> SSHListener? {
        var bound: Int32 = 0
        if let listener = libssh2_channel_forward_listen_ex(handle, host, Int32(port), &bound, Int32(backlog)) {
            return SSHListener(self, listener, port: Int(bound))
        }
        _ = try outcome(libssh2_session_last_errno(handle))
        return nil
    }
}

extension UnsafeMutablePointer<UnsafeMutableRawPointer?> {
    /// What libssh2 hands back to its callbacks. The session keeps it alive.
    fileprivate var wire: Wire { Unmanaged<Wire>.fromOpaque(pointee!).takeUnretainedValue() }
}
