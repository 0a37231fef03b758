import NIOCore
import NIOPosix
import Sockets
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An open descriptor that is closed once: when it is told, or with its owner.
final class Descriptor: Sendable {
    private let value: Mutex<Int32>

    init(_ number: Int32) { value = Mutex(number) }

    deinit { close() }

    var number: Int32 { value.withLock { $0 } }

    /// The number, for somebody who closes it from now on.
    func take() -> Int32 {
        value.withLock { number in
            defer { number = -1 }
            return number
        }
    }

    func close() {
        let number = take()
        if number >= 0 { _ = closeDescriptor(number) }
    }
}

private func closeDescriptor(_ number: Int32) -> Int32 { close(number) }

/// Two ends of a connection that has no name anybody else could connect to.
struct SocketPair {
    /// This process's end,
    let own: Descriptor
    /// and the child's.
    let other: Descriptor

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, streamType, 0, &ends) == 0 else {
            throw VZEngineError.system("make a pair of sockets")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        own = Descriptor(ends[0])
        other = Descriptor(ends[1])
    }

    /// A channel over this process's end.
    func channel(_ group: any EventLoopGroup, _ handler: any ChannelHandler & Sendable) async throws -> any Channel {
        try await ClientBootstrap(group: group)
            .channelInitializer { $0.pipeline.addHandler(handler) }
            .withConnectedSocket(own.take()).get()
    }
}

/// A unix socket that listens already, for a child that accepts on it: whoever connects before is not refused.
enum ListeningSocket {
    static func make(_ path: String) throws -> Descriptor {
        try UnixSocket.checkPath(path)
        let socket = Descriptor(socket(AF_UNIX, streamType, 0))
        guard socket.number >= 0 else { throw VZEngineError.system("make a socket") }
        _ = fcntl(socket.number, F_SETFD, FD_CLOEXEC)
        unlink(path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, chmod(path, 0o600) == 0, listen(socket.number, 1) == 0 else {
            throw VZEngineError.system("listen on \(path)")
        }
        return socket
    }
}

/// A TCP port of 127.0.0.1, in the namespace of this process, that nothing listens on now.
enum FreePort {
    static func find() throws -> Int {
        let socket = Descriptor(socket(AF_INET, streamType, 0))
        guard socket.number >= 0 else { throw VZEngineError.system("make a socket") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, length) == 0 ? getsockname(socket.number, $0, &length) : -1
            }
        }
        guard code == 0 else { throw VZEngineError.system("find a free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

#if canImport(Glibc)
private let streamType = Int32(SOCK_STREAM.rawValue)
#else
private let streamType = SOCK_STREAM
#endif
