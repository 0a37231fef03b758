import Logging
import NIOCore
import NIOPosix
import Proto
import Sockets
import Streaming
import Synchronization
import TLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reaches ports of pods through the runtime: CRI `PortForward`, and for each connection one to a socket of the adapter's
/// own that only it can open.
struct ForwardingDialer: PodDialer {
    let provider: any Provider
    /// Where the sockets are: only for the adapter's eyes, and short enough for the path of one.
    let directory: String
    /// Where the streaming URL leads when it does not say so itself.
    var streamingHost = "127.0.0.1"
    var streamingTLS: TLSContext?
    let group: any EventLoopGroup
    let logger: Logger

    private static let counter = Atomic<UInt32>(0)

    /// A session of the runtime's streaming endpoint.
    private func session(_ port: Int, of pod: PodAddress) async throws -> PortForwardSession {
        guard !pod.sandboxID.isEmpty else { throw AdapterError(.unavailable, "the pod has no sandbox yet") }
        let text = try await provider.portForwardURL(
            .init {
                $0.podSandboxId = pod.sandboxID
                $0.port = [Int32(port)]
            })
        guard let url = RuntimeURL(text, defaultHost: streamingHost) else {
            throw AdapterError(.failed, "the runtime answered \"\(text)\", which is no streaming URL")
        }
        do {
            return try await PortForwardClient.connect(
                url: "\(url.isTLS ? "https" : "http")://\(url.authority)\(url.target)", tls: streamingTLS, group: group,
                logger: logger)
        } catch let error as StreamingError {
            throw AdapterError(.unavailable, "the runtime's streaming endpoint cannot be reached", cause: error)
        }
    }

    func check(_ port: Int, of pod: PodAddress, timeout: Duration) async throws {
        let start = ContinuousClock.now
        let address = "dial tcp \(pod.ip):\(port)"
        let session = try await withDeadline(timeout, "\(address): i/o timeout") {
            try await self.session(port, of: pod)
        }
        do {
            let connection = try await session.open(port: port)
            defer { connection.close() }
            // Nobody says that a connection was made; that it was not is said at once. A server that hears no more
            // usually hangs up: that is an answer as well.
            try await connection.closeOutput()
            let rest = max(.milliseconds(50), timeout - (ContinuousClock.now - start))
            try await withDeadline(rest, address) {
                for try await _ in connection.inbound { return }
            }
        } catch let error as AdapterError where error.code == .timedOut {
            // It holds.
        } catch {
            await session.close()
            try Task.checkCancellation()
            throw AdapterError(.unavailable, "\(address): \(error)")
        }
        await session.close()
    }

    func reach<R: Sendable>(
        _ port: Int, of pod: PodAddress, _ body: @escaping @Sendable (Endpoint) async throws -> R
    ) async throws -> R {
        let session = try await session(port, of: pod)
        let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        let path = "\(directory)/\(number).sock"
        do {
            let result = try await listen(path, session, port, body)
            await close(session, path)
            return result
        } catch {
            await close(session, path)
            throw error
        }
    }

    private func close(_ session: PortForwardSession, _ path: String) async {
        await session.close()
        do {
            // Also when whoever asked does not want the answer any more.
            try await Task {
                try await NIOThreadPool.singleton.runIfActive {
                    if unlink(path) != 0 { throw IOError(errnoCode: errno, reason: "unlink") }
                }
            }.value
        } catch {
            // One that could not even be bound is not there.
            logger.debug("cannot remove \(path): \(error)")
        }
    }

    private func listen<R: Sendable>(
        _ path: String, _ session: PortForwardSession, _ port: Int,
        _ body: @escaping @Sendable (Endpoint) async throws -> R
    ) async throws -> R {
        let listener = try await ServerBootstrap(group: group)
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        let result = try await withThrowingTaskGroup(of: R?.self, returning: R?.self) { tasks in
            tasks.addTask {
                try await serve(listener, session, port)
                return nil
            }
            tasks.addTask { try await body(.unix(path: path)) }
            defer { tasks.cancelAll() }
            while let ended = try await tasks.next() {
                if let ended { return ended }
            }
            return nil
        }
        guard let result else { throw CancellationError() }
        return result
    }

    private func serve(
        _ listener: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>, _ session: PortForwardSession,
        _ port: Int
    ) async throws {
        try await listener.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await connection in connections {
                    tasks.addTask { await relay(connection, session, port) }
                }
            }
        }
    }

    private func relay(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ session: PortForwardSession, _ port: Int
    ) async {
        do {
            try await channel.executeThenClose { inbound, outbound in
                let connection = try await session.open(port: port)
                defer { connection.close() }
                try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    tasks.addTask {
                        for try await bytes in inbound { try await connection.write(bytes) }
                        try await connection.closeOutput()
                        return false
                    }
                    tasks.addTask {
                        for try await bytes in connection.inbound { try await outbound.write(bytes) }
                        outbound.finish()
                        return true
                    }
                    // What the pod has said is all there is: nobody waits for more to be asked.
                    while let ended = try await tasks.next() { if ended { break } }
                    tasks.cancelAll()
                }
            }
        } catch {
            if !Task.isCancelled { logger.debug("a connection to port \(port) of a pod broke: \(error)") }
        }
    }
}
