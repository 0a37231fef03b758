import NIOConcurrencyHelpers
import NIOCore
import Streaming
import Support
import Testing

@Suite struct RemoteCommandTests {
    private static let output = RemoteCommandOptions(stdin: false, stdout: true, stderr: true, tty: false)
    private static let all = RemoteCommandOptions(stdin: true, stdout: true, stderr: true, tty: false)

    @Test(arguments: [0, 1, 3, 137, 255] as [Int32])
    func `the exit code arrives exactly`(code: Int32) async throws {
        try await Harness.run { harness async throws in
            let ended = try await harness.exec(Self.output) { _ in .exited(code: code) }
            #expect(ended.result == .exited(code: code))
        }
    }

    @Test func `output and errors stay apart, and all of them arrives before the end`() async throws {
        try await Harness.run { harness async throws in
            let ended = try await harness.exec(Self.output) { io in
                for _ in 0..<100 {
                    try? await io.stdout?.write(ByteBuffer(repeating: 1, count: 100_000))
                    try? await io.stderr?.write(ByteBuffer(repeating: 2, count: 10))
                }
                return .exited(code: 0)
            }
            #expect(ended.stdout == [UInt8](repeating: 1, count: 10_000_000))
            #expect(ended.stderr == [UInt8](repeating: 2, count: 1000))
        }
    }

    @Test func `input arrives with its end`() async throws {
        try await Harness.run { harness async throws in
            let input = [UInt8](repeating: 5, count: 5_000_000)
            let ended = try await harness.exec(Self.all, stdin: await ByteStream.of(input, [6])) { io in
                let got = (try? await io.stdin?.collect()) ?? []
                try? await io.stdout?.write(ByteBuffer(string: "\(got.count) \(got.last ?? 0)"))
                return .exited(code: 0)
            }
            #expect(String(decoding: ended.stdout, as: UTF8.self) == "5000001 6")
        }
    }

    @Test func `a command may end while its caller still has input`() async throws {
        try await Harness.run { harness async throws in
            let endless = ByteStream()
            await endless.push(ByteBuffer(string: "never ends"))
            let ended = try await harness.exec(Self.all, stdin: endless) { _ in .exited(code: 4) }
            #expect(ended.result == .exited(code: 4))
        }
    }

    @Test func `a failure is told in words`() async throws {
        try await Harness.run { harness async throws in
            let ended = try await harness.exec(Self.output) { _ in .failed(message: "no such container") }
            #expect(ended.result == .failed(message: "no such container"))
        }
    }

    @Test func `a terminal's sizes arrive`() async throws {
        try await Harness.run { harness async throws in
            let (resizes, sizes) = AsyncStream.makeStream(of: TerminalSize.self)
            sizes.yield(TerminalSize(width: 80, height: 24))
            let ended = try await harness.exec(
                RemoteCommandOptions(stdin: false, stdout: true, stderr: false, tty: true), resizes: resizes
            ) { io in
                for await size in io.resizes {
                    try? await io.stdout?.write(ByteBuffer(string: "\(size.width)x\(size.height);"))
                    if size.width == 100 { break }
                    sizes.yield(TerminalSize(width: 100, height: 50))
                }
                return .exited(code: 0)
            }
            #expect(String(decoding: ended.stdout, as: UTF8.self) == "80x24;100x50;")
        }
    }

    @Test func `a caller that goes away ends the command`() async throws {
        try await Harness.run { harness async throws in
            let state = NIOLockedValueBox("")
            let call = Task {
                try await harness.exec(Self.all, stdin: ByteStream()) { _ in
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

    @Test func `a token is good once, for its kind, and for its time`() async throws {
        try await Harness.run { harness async throws in
            let token = try harness.server.register(
                .exec(RemoteCommand(options: Self.output) { _ in .exited(code: 0) }))
            func use(_ kind: String) async throws -> RemoteCommandResult {
                try await RemoteCommandClient.run(
                    url: "\(harness.base)/\(kind)/\(token)", options: Self.output, group: Harness.group,
                    logger: Harness.logger)
            }
            await #expect(throws: StreamingError.self) { _ = try await use("attach") }
            let first = try await use("exec")
            #expect(first == .exited(code: 0))
            await #expect(throws: StreamingError.self) { _ = try await use("exec") }
        }
        try await Harness.run(tokenLifetime: .zero) { harness async throws in
            await #expect(throws: StreamingError.self) {
                _ = try await harness.exec(Self.output) { _ in .exited(code: 0) }
            }
        }
    }
}
