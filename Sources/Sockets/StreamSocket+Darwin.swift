#if canImport(Darwin)
import Darwin

/// A unix stream socket. Darwin has no atomic close-on-exec for sockets; the caller sets it.
func openStreamSocket() -> CInt {
    socket(AF_UNIX, SOCK_STREAM, 0)
}
#endif
