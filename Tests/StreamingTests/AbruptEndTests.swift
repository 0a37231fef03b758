import Logging
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import Streaming

/// What happens when one side stops before the other has finished.
@Suite struct AbruptEndTests {
    private static let all = RemoteCommandOptions(stdin: true, stdout: true, stderr: true, tty: false)

    @Test(.timeLimit(.minutes(1)))
    func `a command that leaves much input unread still ends with its exit code, and its session with it`() async throws
    {
        try await Harness.run { harness async throws in
            let input = await ByteStream.of([UInt8](repeating: 1, count: 8_000_000))
            let ended = try await harness.exec(Self.all, stdin: input) { io in
                try? await io.stdout?.write(ByteBuffer(string: "done"))
                return .exited(code: 9)
            }
            #expect(ended.result == .exited(code: 9))
            #expect(String(decoding: ended.stdout, as: UTF8.self) == "done")
            try await eventually("the session ends") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a caller that goes away while its input waits unread ends the command`() async throws {
        try await Harness.run { harness async throws in
            let state = NIOLockedValueBox("")
            let call = Task {
                let input = await ByteStream.of([UInt8](repeating: 1, count: 8_000_000))
                return try await harness.exec(Self.all, stdin: input) { _ in
                    state.withLockedValue { $0 = "running" }
                    try? await Task.sleep(for: .seconds(3600))
                    state.withLockedValue { $0 = "cancelled" }
                    return .failed(message: "cancelled")
                }
            }
            try await eventually("it runs") { state.withLockedValue { $0 } == "running" }
            call.cancel()
            _ = await call.result
            try await eventually("it is cancelled") { state.withLockedValue { $0 } == "cancelled" }
        }
    }
}
