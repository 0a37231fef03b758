import Foundation
import NIOCore
import NIOPosix
import VZEngine

/// A guest's serial console on its way here.
final class ConsolePipe: Sendable {
    /// The newest of it when nobody reads.
    let output: AsyncStream<ByteBuffer>
    /// The guest's end.
    let writing: FileHandle
    private let panic: PanicWatch
    private let channel: any Channel

    private init(
        _ output: AsyncStream<ByteBuffer>, _ writing: FileHandle, _ panic: PanicWatch, _ channel: any Channel
    ) {
        (self.output, self.writing, self.panic, self.channel) = (output, writing, panic, channel)
    }

    static func open(_ group: any EventLoopGroup) async throws -> ConsolePipe {
        let (output, continuation) = AsyncStream<ByteBuffer>.makeStream(bufferingPolicy: .bufferingNewest(1024))
        let panic = PanicWatch()
        let ends = try Pipes.make()
        let writing = FileHandle(fileDescriptor: ends.write, closeOnDealloc: true)
        let channel: any Channel
        do {
            channel = try await NIOPipeBootstrap(group: group)
                .channelInitializer { $0.pipeline.addHandler(Reader(continuation, panic)) }
                .takingOwnershipOfDescriptor(input: ends.read).get()
        } catch {
            continuation.finish()
            Pipes.close(ends.read)
            throw VZEngineError(.startFailed, "the guest's console cannot be read", cause: error)
        }
        return ConsolePipe(output, writing, panic, channel)
    }

    /// The kernel's last words, once; nil when the console ended without.
    func panicked() async -> String? { await panic.message() }

    /// Reads what is on its way still, and ends.
    func close(within limit: TimeAmount = .seconds(2)) async {
        // It is closed already where the guest's end failed.
        try? writing.close()
        let timer = channel.eventLoop.scheduleTask(in: limit) { [channel] in channel.close(promise: nil) }
        await withCheckedContinuation { continuation in
            channel.closeFuture.whenComplete { _ in
                timer.cancel()
                continuation.resume()
            }
        }
    }

    private final class Reader: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<ByteBuffer>.Continuation
        private let panic: PanicWatch

        init(_ continuation: AsyncStream<ByteBuffer>.Continuation, _ panic: PanicWatch) {
            (self.continuation, self.panic) = (continuation, panic)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            panic.scan(bytes)
            continuation.yield(bytes)
        }

        func channelInactive(context: ChannelHandlerContext) {
            continuation.finish()
            panic.end()
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            // Nothing is ever written to it.
            if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
