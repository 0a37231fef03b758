import Logging
import NIOCore
import NIOPosix
import Proto
import Streaming
import Support
import Synchronization
import Testing

@testable import CRIShim

/// Sessions in containers of a real engine, by the URL that a client gets.
@Suite(.serialized, .enabled(if: TestEngine.isPossible, DockerEngine.skipReason), .timeLimit(.minutes(3)))
struct ContainerStreamTests {
    private final class Output: Sendable {
        private let bytes = Mutex(ByteBuffer())
        var count: Int { bytes.withLock { $0.readableBytes } }
        var text: String { bytes.withLock { String(buffer: $0) } }
        var sink: OutputSink {
            OutputSink { [self] more in
                bytes.withLock { bytes in
                    var more = more
                    bytes.writeBuffer(&more)
                }
            }
        }
    }

    private struct Session {
        var result: RemoteCommandResult
        var output: String
        var count: Int
        var errors: String
    }

    typealias Input = any AsyncSequence<ByteBuffer, any Error> & Sendable

    private func input(_ pieces: [ByteBuffer]) -> Input {
        AsyncThrowingStream<ByteBuffer, any Error> { source in
            for piece in pieces { source.yield(piece) }
            source.finish()
        }
    }

    private func session(
        _ url: String, tty: Bool = false, stdin: Input? = nil, sizes: [TerminalSize] = []
    ) async throws -> Session {
        let (out, err) = (Output(), Output())
        let (resizes, resizesIn) = AsyncStream.makeStream(of: TerminalSize.self)
        for size in sizes { resizesIn.yield(size) }
        let result = try await RemoteCommandClient.run(
            url: url, options: .init(stdin: stdin != nil, stdout: true, stderr: !tty, tty: tty), stdin: stdin,
            stdout: out.sink, stderr: err.sink, resizes: resizes, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return Session(result: result, output: out.text, count: out.count, errors: err.text)
    }

    private func exec(
        _ shim: ShimHarness, _ container: String, _ script: String, tty: Bool = false, stdin: Input? = nil,
        sizes: [TerminalSize] = []
    ) async throws -> Session {
        let answer: CRI.ExecResponse = try await shim.call(CRI.RuntimeService.exec) {
            $0.containerId = container
            $0.cmd = ["/bin/sh", "-c", script]
            ($0.stdin, $0.stdout, $0.stderr, $0.tty) = (stdin != nil, true, !tty, tty)
        }
        return try await session(answer.url, tty: tty, stdin: stdin, sizes: sizes)
    }

    private func with(
        script: String = "exec sleep 1000",
        _ change: @escaping @Sendable (inout CRI.ContainerConfig) -> Void = { _ in },
        _ body: @escaping @Sendable (ShimHarness, String) async throws -> Void
    ) async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig()
            let sandbox = try await shim.runSandbox(config)
            let container = try await shim.create(
                "main", in: sandbox, config, image: engine.image, script: script, change)
            try await shim.start(container)
            try await body(shim, container)
        }
    }

    /// Never ends, and gives nothing.
    private func openInput() -> Input {
        AsyncThrowingStream<ByteBuffer, any Error>(unfolding: {
            try await Task.sleep(for: .seconds(3600))
            return nil
        })
    }

    @Test func `a command's own exit code arrives, whatever becomes of its input (C2, C4)`() async throws {
        try await with { shim, container in
            for code: Int32 in [0, 3, 42, 255] {
                #expect(try await exec(shim, container, "exit \(code)").result == .exited(code: code))
            }
            let kept = try await exec(shim, container, "echo out; echo err >&2; exit 3", stdin: openInput())
            #expect(kept.result == .exited(code: 3), "its input stays open")
            #expect(kept.output == "out\n" && kept.errors == "err\n")
            let endless = AsyncThrowingStream<ByteBuffer, any Error>(unfolding: {
                ByteBuffer(repeating: 120, count: 1 << 16)
            })
            let unread = try await exec(shim, container, "head -c 1 >/dev/null; exit 7", stdin: endless)
            #expect(unread.result == .exited(code: 7), "it reads one byte of an input without end")
        }
    }

    @Test func `megabytes go in and come out at once, and both ends are seen (C2)`() async throws {
        try await with { shim, container in
            let pieces = (0..<128).map { ByteBuffer(repeating: UInt8($0), count: 1 << 16) }
            let session = try await exec(shim, container, "cat; echo done >&2", stdin: input(pieces))
            #expect(session.result == .exited(code: 0) && session.errors == "done\n")
            #expect(session.count == 128 << 16)
        }
    }

    @Test func `a terminal's bytes arrive as they are, in exec, attach and the log (C3)`() async throws {
        try await with(script: "read a; echo \"got $a\"; sleep 1000") {
            ($0.tty, $0.stdin) = (true, true)
        } _: { shim, container in
            let session = try await exec(
                shim, container, "test -t 0 && test -t 1 && printf 'a\\001\\000\\000\\000b'; exit 5", tty: true)
            #expect(session.result == .exited(code: 5))
            #expect(Array(session.output.utf8) == [97, 1, 0, 0, 0, 98])

            let answer: CRI.AttachResponse = try await shim.call(CRI.RuntimeService.attach) {
                $0.containerId = container
                ($0.stdin, $0.stdout, $0.tty) = (true, true, true)
            }
            let attached = Task {
                let bytes = AsyncThrowingStream<ByteBuffer, any Error> { source in
                    source.yield(ByteBuffer(string: "hello\r"))
                }
                return try await self.session(answer.url, tty: true, stdin: bytes).output
            }
            try await eventually("it has read its input") {
                try await shim.log(shim.status(container)).contains { $0.contains("got hello") }
            }
            let _: CRI.StopContainerResponse = try await shim.call(CRI.RuntimeService.stopContainer) {
                $0.containerId = container
            }
            #expect(try await attached.value.contains("got hello\r\n"))
        }
    }

    /// As `echo word | kubectl attach -i` does. The end of one client's input is not the end of the container's.
    @Test func `output goes on to a client whose input has ended, and the next client's input arrives`() async throws {
        try await with(script: "read a; sleep 1; echo \"got $a\"; read b; echo \"then $b\"") {
            $0.stdin = true
        } _: { shim, container in
            func attach(_ word: String) async throws -> Session {
                let answer: CRI.AttachResponse = try await shim.call(CRI.RuntimeService.attach) {
                    $0.containerId = container
                    ($0.stdin, $0.stdout, $0.stderr) = (true, true, true)
                }
                return try await session(answer.url, stdin: input([ByteBuffer(string: "\(word)\n")]))
            }
            let first = Task { try await attach("one") }
            try await eventually("the first word has arrived") {
                try await shim.log(shim.status(container)).contains { $0.contains("got one") }
            }
            #expect(try await attach("two").output.contains("then two\n"))
            #expect(try await first.value.output == "got one\nthen two\n")
        }
    }

    @Test func `a terminal of no size is one all the same, has its input, and every later size (C11)`() async throws {
        try await with { shim, container in
            // Whose end would be the end of the terminal.
            let typed = AsyncThrowingStream<ByteBuffer, any Error> { source in
                source.yield(ByteBuffer(string: "x\r"))
            }
            let session = try await exec(
                shim, container, "test -t 0 || exit 9; read a; echo \"got $a\"; exit 4", tty: true, stdin: typed,
                sizes: [.init(width: 0, height: 0)])
            #expect(session.result == .exited(code: 4) && session.output.contains("got x"))
            let sized = try await exec(
                shim, container, "until [ \"$(stty size)\" = '33 103' ]; do sleep 0.02; done", tty: true,
                sizes: [
                    .init(width: 0, height: 0), .init(width: 101, height: 31), .init(width: 0, height: 5),
                    .init(width: 103, height: 33),
                ])
            #expect(sized.result == .exited(code: 0))
        }
    }
}
