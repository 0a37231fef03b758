#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A TCP port on loopback for a server that somebody else starts, or that starts again where it was.
public enum LoopbackPort {
    public struct Failure: Error {}

    /// A port nobody has now. It is none of those the system gives out by itself, so that nobody else gets it before, or
    /// between two starts.
    public static func take() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 20_000..<32_000)
            if try isFree(port) { return port }
        }
        throw Failure()
    }

    /// Whether somebody accepts connections there.
    public static func isTaken(_ port: Int) -> Bool {
        (try? withSocket(port) { connect($0, $1, $2) == 0 }) ?? false
    }

    private static func isFree(_ port: Int) throws -> Bool {
        try withSocket(port) { bind($0, $1, $2) == 0 }
    }

    private static func withSocket(
        _ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) throws -> Bool {
        #if canImport(Glibc)
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { throw Failure() }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { body(descriptor, $0, length) }
        }
    }
}
