import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension SocketError {
    /// Says why a TCP endpoint could not be bound, and what to do.
    init(binding endpoint: Endpoint, _ error: any Error) {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            self.init(
                .unavailable, "cannot listen on \(endpoint): the port is in use. Stop its owner or choose another port")
        case EADDRNOTAVAIL:
            self.init(.invalidArgument, "cannot listen on \(endpoint): no interface of this machine has that address")
        case EACCES, EPERM:
            self.init(
                .failed, "cannot listen on \(endpoint): not permitted. Ports below 1024 need privileges", cause: error)
        default:
            self.init(.failed, "cannot listen on \(endpoint)", cause: error)
        }
    }
}
