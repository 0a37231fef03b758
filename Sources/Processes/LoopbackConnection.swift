public import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// TCP connections to servers of this host, or of a pod on it, at their localhost.
public enum LoopbackConnection {
    public typealias Streams = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private static let limit = 10

    /// To a port of 127.0.0.1, or else of ::1, in a network namespace.
    /// - Parameter namespace: the namespace's file; `nil` is that of this process.
    /// - Throws: `ProcessError` with `failed` when nothing listens there; `deadline` after ten seconds.
    public static func make(port: Int, in namespace: String?, group: any EventLoopGroup) async throws -> Streams {
        let connect: @Sendable () throws -> Int32 = { try Self.connect(port) }
        // A socket stays in the namespace it was made in.
        let connected =
            if let namespace {
                try await NetworkNamespace.run(in: namespace, connect)
            } else {
                try await NIOThreadPool.singleton.runIfActive(connect)
            }
        return try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .withConnectedSocket(connected) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Streams(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
    }

    /// Blocks.
    private static func connect(_ port: Int) throws -> Int32 {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = in_port_t(port).bigEndian
        four.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        if let number = try connect(AF_INET, &four) { return number }
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = in_port_t(port).bigEndian
        six.sin6_addr = in6addr_loopback
        if let number = try connect(AF_INET6, &six) { return number }
        throw ProcessError(.failed, "nothing accepts connections on port \(port) of 127.0.0.1 or [::1] in this pod")
    }

    /// - Returns: `nil` when nothing listens there.
    private static func connect<Address>(_ family: Int32, _ address: inout Address) throws -> Int32? {
        let number = socket(family, stream, 0)
        // A host without IPv6 has no server at it either.
        guard number >= 0 else { return nil }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        var time = timeval(tv_sec: limit, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let done = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                systemConnect(number, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard done != 0 else { return number }
        let code = errno
        close(number)
        switch code {
        case ECONNREFUSED, EADDRNOTAVAIL, ENETUNREACH: return nil
        case EINPROGRESS, EAGAIN, ETIMEDOUT:
            throw ProcessError(.deadline, "a server of the pod took no connection within \(limit) s")
        default: throw ProcessError(.failed, "connecting in the pod failed: \(String(cString: strerror(code)))")
        }
    }
}

#if canImport(Glibc)
private let stream = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
private let systemConnect = Glibc.connect
#else
private let stream = SOCK_STREAM
private let systemConnect = Darwin.connect
#endif
