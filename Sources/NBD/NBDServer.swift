public import Logging
public import NIOCore
import NIOPosix
import Sockets
import Synchronization

/// Serves disks to whoever may connect to a unix socket: QEMU, `qemu-img`, `nbd-client`.
public final class NBDServer: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let exports: [any NBDExport]
    private let logger: Logger
    private let connected = Mutex(0)
    private let onConnections: @Sendable (Int) -> Void
    /// More of one client's requests wait in its socket.
    private static let requestLimit = 32

    /// - Parameter onConnections: told how many clients there are whenever that changes.
    public init(
        exports: [any NBDExport], logger: Logger, onConnections: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.exports = exports
        self.logger = logger
        self.onConnections = onConnections
    }

    /// Serves until the task is cancelled; ends every connection then.
    ///
    /// - Parameter onListening: told once clients can connect.
    /// - Throws: `SocketError` when the socket cannot be had.
    public func run(
        at path: String, group: any EventLoopGroup, onListening: @Sendable () async throws -> Void = {}
    ) async throws {
        let (connections, arrivals) = AsyncStream.makeStream(of: Connection.self)
        let bootstrap = ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = try Connection(wrappingChannelSynchronously: channel)
                    if case .terminated = arrivals.yield(connection) { throw ChannelError.ioOnClosedChannel }
                }
            }
        let server = try await bindServer(bootstrap, to: .unix(path: path))
        do {
            try await onListening()
            await withDiscardingTaskGroup { clients in
                for await connection in connections { clients.addTask { await self.serve(connection) } }
                // Cancelled: clients are told nothing, and connect again to whoever serves next.
                clients.cancelAll()
            }
            arrivals.finish()
            await server.close()
        } catch {
            arrivals.finish()
            await server.close()
            throw error
        }
    }

    private func serve(_ connection: Connection) async {
        count(1)
        defer { count(-1) }
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(NBDSession.greeting)
                try await converse(inbound, outbound)
            }
        } catch is CancellationError {
            return
        } catch {
            logger.debug("a client of a disk went away", metadata: ["error": "\(error)"])
        }
    }

    private func converse(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        var session = NBDSession(offers: exports.map { .init(name: $0.name, size: $0.size) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var running = 0
            for try await bytes in inbound {
                for action in session.receive(bytes) {
                    switch action {
                    case .send(let answer): try await outbound.write(answer)
                    case .read(let request):
                        if running == Self.requestLimit {
                            try await group.next()
                            running -= 1
                        }
                        running += 1
                        group.addTask { [session] in
                            try await outbound.write(try await self.answer(request, session))
                        }
                    case .status(let request):
                        let extents = exports[request.export].extents(request.range)
                        try await outbound.write(session.reply(request, extents: extents))
                    case .close: return
                    }
                }
            }
        }
    }

    private func answer(_ request: NBDSession.Request, _ session: NBDSession) async throws -> ByteBuffer {
        do {
            return session.reply(request, try await exports[request.export].read(request.range))
        } catch let error as CancellationError {
            throw error
        } catch {
            logger.error(
                "a machine is told of an I/O error", metadata: ["range": "\(request.range)", "error": "\(error)"])
            return session.failure(request.handle, .io, "\(error)")
        }
    }

    private func count(_ change: Int) {
        let now = connected.withLock { number in
            number += change
            return number
        }
        onConnections(now)
    }
}
