import NIOConcurrencyHelpers
import NIOCore

/// The thread-safe face of a streaming call towards its handler.
struct RawResponseWriter: Sendable {
    let connection: NIOLoopBound<ServerConnection>
    let stream: Int32
    let eventLoop: any EventLoop
    let messageLimit: Int

    func write(_ bytes: ByteBuffer) async throws {
        let abandoned = NIOLockedValueBox(false)
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            try await eventLoop.flatSubmit {
                connection.value.write(
                    bytes, on: stream, isAbandoned: { abandoned.withLockedValue { $0 } }, eventLoop: eventLoop)
            }.get()
        } onCancel: {
            abandoned.withLockedValue { $0 = true }
            eventLoop.execute { connection.value.abandonWrites(on: stream) }
        }
    }

    func pendingBytes() async -> Int {
        (try? await eventLoop.submit { connection.value.pendingBytes(on: stream) }.get()) ?? 0
    }
}
