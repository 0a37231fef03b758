import NIOCore
import NIOPosix
import Processes
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Ports of a machine that has an address of its own, at the localhost of its pod: the pod's containers find it there as
/// they find one that shares their address.
enum PodPorts {
    private typealias Streams = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private static let connectLimit = TimeAmount.seconds(10)

    /// Serves one port until the task is cancelled.
    /// - Parameter address: where the machine is now; nil while that is not known.
    /// - Throws: `VZEngineError` when somebody in the pod has the port.
    static func serve(
        _ port: Int, in namespace: String, group: any EventLoopGroup,
        toAddress address: @escaping @Sendable () -> String?
    ) async throws {
        let socket = try await NetworkNamespace.run(in: namespace) { try listeningSocket(port) }
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(socket) { channel in
                channel.eventLoop.makeCompletedFuture { try streams(channel) }
            }
        try await server.executeThenClose { clients in
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await client in clients {
                    tasks.addTask {
                        // Its end, good or bad, is its own affair.
                        do { try await relay(client, to: address(), port, group) } catch {}
                    }
                }
                tasks.cancelAll()
            }
        }
    }

    private static func streams(_ channel: any Channel) throws -> Streams {
        try Streams(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    private static func relay(_ client: Streams, to address: String?, _ port: Int, _ group: any EventLoopGroup)
        async throws
    {
        try await client.executeThenClose { fromClient, toClient in
            guard let address else { return }
            let machine = try await ClientBootstrap(group: group)
                .connectTimeout(connectLimit)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .connect(host: address, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture { try streams(channel) }
                }
            try await machine.executeThenClose { fromMachine, toMachine in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask {
                        for try await bytes in fromClient { try await toMachine.write(bytes) }
                        toMachine.finish()
                    }
                    tasks.addTask {
                        for try await bytes in fromMachine { try await toClient.write(bytes) }
                        toClient.finish()
                    }
                    defer { tasks.cancelAll() }
                    while try await tasks.next() != nil {}
                }
            }
        }
    }

    /// Blocks.
    private static func listeningSocket(_ port: Int) throws -> Int32 {
        let number = socket(AF_INET, stream, 0)
        guard number >= 0 else { throw failure(port) }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        var yes: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let done = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard done == 0, listen(number, 128) == 0 else {
            let error = failure(port)
            close(number)
            throw error
        }
        return number
    }

    private static func failure(_ port: Int) -> VZEngineError {
        VZEngineError(
            errno == EADDRINUSE ? .portInUse : .failed,
            "port \(port) of the machine is not served at the pod's localhost: \(String(cString: strerror(errno)))")
    }
}

#if canImport(Glibc)
private let stream = Int32(SOCK_STREAM.rawValue)
#else
private let stream = SOCK_STREAM
#endif
