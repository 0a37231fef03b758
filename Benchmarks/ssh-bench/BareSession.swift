import CSSH2
import Measuring

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The peer: one libssh2 session that blocks, and a loop over channels. As little as a client can do.
final class BareSession {
    private let session: OpaquePointer
    private let socket: Int32

    init(port: UInt16, user: String, keyFile: String) throws {
        guard libssh2_init(0) == 0 else { throw BenchError(description: "libssh2 cannot be initialized") }
        #if canImport(Glibc)
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
        #endif
        self.socket = socket
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw BenchError(description: "nobody listens on port \(port)") }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        guard let session = libssh2_session_init_ex(nil, nil, nil, nil) else {
            throw BenchError(description: "no session")
        }
        self.session = session
        libssh2_session_set_blocking(session, 1)
        try check(libssh2_session_handshake(session, socket), "handshake")
        try check(
            libssh2_userauth_publickey_fromfile_ex(
                session, user, UInt32(user.utf8.count), keyFile + ".pub", keyFile, nil), "authentication")
    }

    deinit {
        libssh2_session_free(session)
        close(socket)
    }

    private func check(_ code: Int32, _ what: String) throws {
        guard code >= 0 else { throw BenchError(description: "\(what) failed with code \(code)") }
    }

    /// Runs a command to its end.
    /// - Returns: how many bytes it said.
    func run(_ command: String, input: Int = 0) throws -> Int {
        guard
            let channel = libssh2_channel_open_ex(session, "session", 7, 2 << 20, 32768, nil, 0)
        else { throw BenchError(description: "no channel") }
        defer { libssh2_channel_free(channel) }
        try check(
            libssh2_channel_process_startup(channel, "exec", 4, command, UInt32(command.utf8.count)), "exec")
        var buffer = [CChar](repeating: 0x78, count: 256 << 10)
        var left = input
        while left > 0 {
            let count = libssh2_channel_write_ex(channel, 0, &buffer, min(left, buffer.count))
            try check(Int32(count), "writing")
            left -= count
        }
        try check(libssh2_channel_send_eof(channel), "end of input")
        var total = 0
        while true {
            let count = libssh2_channel_read_ex(channel, 0, &buffer, buffer.count)
            if count == 0 { break }
            try check(Int32(clamping: count), "reading")
            total += count
        }
        try check(libssh2_channel_close(channel), "closing")
        try check(libssh2_channel_wait_closed(channel), "waiting for the end")
        guard libssh2_channel_get_exit_status(channel) == 0 else { throw BenchError(description: "\(command) failed") }
        return total
    }
}
