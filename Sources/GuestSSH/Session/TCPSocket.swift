#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Opens TCP connections from a thread that may wait.
enum TCPSocket {
    /// Tries each of the host's addresses in turn.
    ///
    /// - Parameter wait: waits until the descriptor has one of the events; throws at its deadline or when stopped.
    static func connect(
        host: String, port: Int, wait: (_ descriptor: Int32, _ events: Int16) throws -> Void
    ) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = SystemSocket.stream
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let list else {
            throw GuestSSHError(.unreachable, "looking up \(host): \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var failure = GuestSSHError(.unreachable, "\(host) has no address")
        for one in sequence(first: list, next: { $0.pointee.ai_next }) {
            do {
                return try connect(one.pointee, "\(host):\(port)", wait)
            } catch let error as GuestSSHError where error.code == .refused || error.code == .unreachable {
                failure = error
            }
        }
        throw failure
    }

    /// Whether there are bytes to read, rather than the end or an error.
    static func hasBytes(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) > 0
    }

    private static func connect(
        _ address: addrinfo, _ name: String, _ wait: (Int32, Int16) throws -> Void
    ) throws -> Int32 {
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        guard descriptor >= 0 else { throw error(errno, name) }
        SystemSocket.prepare(descriptor)
        do {
            if Self.connect(descriptor, address) != 0 {
                guard errno == EINPROGRESS || errno == EINTR else { throw error(errno, name) }
                try wait(descriptor, Int16(POLLOUT))
                var code: Int32 = 0
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
                guard code == 0 else { throw error(code, name) }
            }
            var on: Int32 = 1
            setsockopt(
                descriptor, SystemSocket.noDelay.level, SystemSocket.noDelay.option, &on,
                socklen_t(MemoryLayout<Int32>.size))
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func connect(_ descriptor: Int32, _ address: addrinfo) -> Int32 {
        #if canImport(Glibc)
        Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen)
        #else
        Darwin.connect(descriptor, address.ai_addr, address.ai_addrlen)
        #endif
    }

    private static func error(_ code: Int32, _ name: String) -> GuestSSHError {
        GuestSSHError(
            code == ECONNREFUSED ? .refused : .unreachable, "connecting to \(name): \(String(cString: strerror(code)))")
    }
}
