import NIOConcurrencyHelpers
import NIOCore
import RPC

/// A service with a method for every way a call can go.
final class TestService: Sendable {
    static func unary(_ name: String) -> UnaryMethod<Blob, Blob> { .init(service: "test.Service", name: name) }
    static func streaming(_ name: String) -> ServerStreamingMethod<Blob, Blob> {
        .init(service: "test.Service", name: name)
    }

    private let state = NIOLockedValueBox<(cancelled: Int, running: Int, written: Int, pending: Int)>((0, 0, 0, 0))
    /// Handlers that were cancelled.
    var cancelled: Int { state.withLockedValue { $0.cancelled } }
    /// Handlers that have not ended.
    var running: Int { state.withLockedValue { $0.running } }
    /// Bytes the streaming handler handed over.
    var written: Int { state.withLockedValue { $0.written } }
    /// Bytes of them that waited for the reader when it last looked.
    var pending: Int { state.withLockedValue { $0.pending } }

    struct Unexpected: Error, CustomStringConvertible {
        var description: String { "a thing that no status describes" }
    }
    struct Mapped: RPCErrorConvertible {
        var rpcError: RPCError { RPCError(.failedPrecondition, "mapped") }
    }

    var router: Router {
        var router = Router()
        router.handle(Self.unary("Echo")) { request, _ in .now(request) }
        router.handle(Self.unary("EchoEncoded")) { request, _ in .encoded(ByteBuffer(bytes: request.bytes)) }
        router.handle(Self.unary("EchoLater")) { request, _ in
            .later {
                await Task.yield()
                return request
            }
        }
        router.handle(Self.unary("Size")) { request, _ in .now(Blob([UInt8](repeating: 7, count: Int(request.text)!))) }
        router.handle(Self.unary("Count")) { request, _ in .now(Blob("\(request.bytes.count)")) }
        router.handle(Self.unary("Fail")) { request, _ in
            let parts = request.text.split(separator: " ", maxSplits: 1)
            throw RPCError(RPCError.Code(wireValue: Int(parts[0])!)!, String(parts[1]), metadata: ["x-detail": "kept"])
        }
        router.handle(Self.unary("FailLater")) { _, _ in .later { throw Unexpected() } }
        router.handle(Self.unary("FailMapped")) { _, _ in .later { throw Mapped() } }
        router.handle(Self.unary("Metadata")) { request, context in
            .now(Blob(context.metadata.entries.filter { $0.name == request.text }.map(\.value).joined(separator: "|")))
        }
        router.handle(Self.unary("Deadline")) { _, context in
            .now(Blob(context.deadline.map { "\(($0 - .now()).nanoseconds)" } ?? "none"))
        }
        router.handle(Self.unary("Port")) { _, context in .now(Blob("\(context.peer.address?.port ?? 0)")) }
        router.handle(Self.unary("Hang")) { [self] _, _ in
            .later { [self] in
                try await tracked { try await Task.sleep(for: .seconds(3600)) }
                return Blob("")
            }
        }
        router.handle(Self.streaming("Numbers")) { request, _, writer in
            for number in 0..<Int(request.text)! { try await writer.write(Blob("\(number)")) }
        }
        router.handle(Self.streaming("FailAfterOne")) { request, _, writer in
            try await writer.write(request)
            throw RPCError(.aborted, "after one")
        }
        router.handle(Self.streaming("Flood")) { [self] request, _, writer in
            try await tracked { [self] in
                let chunk = Blob([UInt8](repeating: 1, count: 64 << 10))
                for _ in 0..<Int(request.text)! / chunk.bytes.count {
                    try await writer.write(chunk)
                    let pending = await writer.pendingBytes
                    state.withLockedValue {
                        $0.written += chunk.bytes.count; $0.pending = pending
                    }
                }
            }
        }
        router.handle(Self.streaming("Silent")) { [self] _, _, _ in
            try await tracked { try await Task.sleep(for: .seconds(3600)) }
        }
        return router
    }

    private func tracked(_ work: @Sendable () async throws -> Void) async throws {
        state.withLockedValue { $0.running += 1 }
        defer { state.withLockedValue { $0.running -= 1 } }
        do {
            try await work()
        } catch {
            if Task.isCancelled { state.withLockedValue { $0.cancelled += 1 } }
            throw error
        }
    }
}
