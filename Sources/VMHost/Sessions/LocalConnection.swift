import NIOCore
import NIOPosix
import Processes
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// TCP connections to servers of this side.
enum LocalConnection {
    typealias Streams = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private static let limit = 10

    /// To a port of the localhost of a network namespace; nil is that of this process.
    static func make(port: Int, in namespace: String?, group: any EventLoopGroup) async throws -> Streams {
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(.seconds(Int64(limit)))
            .channelOption(.allowRemoteHalfClosure, value: true)
        let initialize: @Sendable (any Channel) -> EventLoopFuture<Streams> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try Streams(
                    wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        guard let namespace else {
            return try await bootstrap.connect(host: "127.0.0.1", port: port, channelInitializer: initialize)
        }
        // A socket stays in the namespace it was made in.
        let connected = try await NetworkNamespace.run(in: namespace) { try connect(port) }
        return try await bootstrap.withConnectedSocket(connected, channelInitializer: initialize)
    }

    /// Blocks.
    private static func connect(_ port: Int) throws -> Int32 {
        let number = socket(AF_INET, stream, 0)
        guard number >= 0 else { throw failure(port) }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        var time = timeval(tv_sec: limit, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let done = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                systemConnect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard done == 0 else {
            let error = failure(port)
            close(number)
            throw error
        }
        return number
    }

    private static func failure(_ port: Int) -> VZEngineError {
        VZEngineError(.failed, "connecting to port \(port) of the pod failed: \(String(cString: strerror(errno)))")
    }
}

#if canImport(Glibc)
private let stream = Int32(SOCK_STREAM.rawValue)
private let systemConnect = Glibc.connect
#else
private let stream = SOCK_STREAM
private let systemConnect = Darwin.connect
#endif
