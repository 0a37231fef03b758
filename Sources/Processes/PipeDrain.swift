import NIOCore
import NIOPosix
import Synchronization

/// Keeps the first bytes that a program writes to a pipe, and drops the rest. On an event loop: a program that is silent
/// for an hour holds no thread.
struct PipeDrain {
    private let pipe: Pipe
    private let channel: any Channel
    private let reader: Reader

    /// - Throws: `ProcessError` with `notStarted`.
    static func open(limit: Int) async throws -> PipeDrain {
        let pipe = try Pipe()
        let reader = Reader(limit)
        do {
            let channel = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { $0.pipeline.addHandler(reader) }
                .takingOwnershipOfDescriptor(input: pipe.reading).get()
            pipe.gaveReading()
            return PipeDrain(pipe: pipe, channel: channel, reader: reader)
        } catch {
            throw ProcessError(.notStarted, "a pipe cannot be read: \(error)")
        }
    }

    /// For the program.
    var writing: Int32 { pipe.writing }

    /// What was written until nobody has the pipe any more.
    /// - Parameter limit: after which what came counts.
    func rest(within limit: Duration) async -> [UInt8] {
        pipe.closeWriting()
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) { [channel] in channel.close(promise: nil) }
        defer { timer.cancel() }
        await closed()
        return reader.bytes.withLock { $0 }
    }

    func close() async {
        pipe.closeWriting()
        channel.close(promise: nil)
        await closed()
    }

    private func closed() async {
        await withCheckedContinuation { continuation in
            channel.closeFuture.whenComplete { _ in continuation.resume() }
        }
    }

    private final class Reader: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let limit: Int
        let bytes = Mutex<[UInt8]>([])

        init(_ limit: Int) { self.limit = limit }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            bytes.withLock { $0.append(contentsOf: buffer.readableBytesView.prefix(limit - $0.count)) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
