import HTTP
import NIOCore

/// Bytes of another protocol in a WebSocket's binary messages, whose borders mean nothing.
final class WebSocketTunnel: ByteTransport {
    private let socket: WebSocketConnection
    private let inbound = ByteStream()

    init(_ socket: WebSocketConnection) { self.socket = socket }

    /// Reads until the connection ends, and closes it.
    func run() async {
        let inbound = inbound
        let reason = await socket.run(
            onGone: { inbound.finish(StreamingError(.unavailable, "the connection was closed")) }
        ) { piece in
            guard case .data(let bytes, let isText, _, _) = piece else { return }
            guard !isText else {
                throw WebSocketProtocolError(
                    "only binary messages are understood", code: WebSocketCloseCode.unsupportedData)
            }
            await inbound.push(bytes)
        }
        inbound.finish(reason is StreamingError ? nil : reason)
        await socket.raw.close()
    }

    var eventLoop: any EventLoop { socket.raw.eventLoop }
    var received: any AsyncSequence<ByteBuffer, any Error> & Sendable { inbound }

    func send(_ bytes: ByteBuffer) -> EventLoopFuture<Void> { socket.enqueue(.binary, bytes) }
    func closeOutput() async throws { try await socket.sendClose() }
    func close() async { await socket.raw.close() }
    func waitForClose() async { await socket.raw.waitForClose() }

    /// Carries the bytes of each to the other until one has ended; closes both.
    func relay(_ other: RawConnection) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Either way it is the end: a client that has closed hears nothing more.
                do {
                    for try await bytes in self.inbound { try await other.write(bytes) }
                    try await other.closeOutput()
                    let giveUp = Task {
                        try await Task.sleep(for: .seconds(2))
                        await other.close()
                    }
                    await other.waitForClose()
                    giveUp.cancel()
                } catch {}
            }
            group.addTask {
                do {
                    for try await bytes in other.inbound { try await self.socket.send(bytes) }
                } catch {}
                await self.socket.close(within: .seconds(2))
            }
            await group.next()
            group.cancelAll()
        }
        await other.close()
        await close()
    }
}
