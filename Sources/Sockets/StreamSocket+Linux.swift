#if os(Linux)
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A unix stream socket; close-on-exec from its first moment, so that no child started meanwhile holds it.
func openStreamSocket() -> CInt {
    #if canImport(Glibc)
    socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    #else
    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
    #endif
}
#endif
