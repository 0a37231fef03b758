import NIOCore
import Processes
import VZEngine

/// Carries bytes between a connection through the guest and something else, each direction closed by itself.
enum Relay {
    /// Until both directions have ended, one failed, or the task is cancelled.
    static func run(_ stream: any GuestStream, with session: ControlSession) async throws {
        try await both {
            while let bytes = try await stream.next() { try await session.send(output: bytes) }
            try await session.endOutput()
        } and: {
            while let input = try await session.nextInput() {
                switch input {
                case .bytes(let bytes): try await stream.write(bytes)
                case .end:
                    try await stream.closeOutput()
                    return
                case .resize: continue
                }
            }
            // The client has gone altogether.
            throw CancellationError()
        } cleanUp: {
            await stream.close()
        }
    }

    /// To a port of the localhost of a network namespace; nil is that of this process.
    static func run(
        _ stream: any GuestStream, toLocalPort port: Int, in namespace: String? = nil, group: any EventLoopGroup
    ) async throws {
        let channel = try await LoopbackConnection.make(port: port, in: namespace, group: group)
        try await channel.executeThenClose { inbound, outbound in
            try await both {
                while let bytes = try await stream.next() { try await outbound.write(bytes) }
                outbound.finish()
            } and: {
                for try await bytes in inbound { try await stream.write(bytes) }
                try await stream.closeOutput()
            } cleanUp: {
                await stream.close()
            }
        }
    }

    private static func both(
        _ one: @escaping @Sendable () async throws -> Void, and other: @escaping @Sendable () async throws -> Void,
        cleanUp: @escaping @Sendable () async -> Void
    ) async throws {
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await one() }
                group.addTask { try await other() }
                defer { group.cancelAll() }
                while try await group.next() != nil {}
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await Task { await cleanUp() }.value
        try result.get()
    }
}
