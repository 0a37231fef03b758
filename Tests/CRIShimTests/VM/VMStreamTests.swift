import NIOCore
import Proto
import Streaming
import Synchronization
import Testing

@testable import CRIShim

/// Sessions in machines, from the client's streams to the supervisor's socket.
@Suite struct VMStreamTests {
    private final class Sink: Sendable {
        private let bytes = Mutex(ByteBuffer())
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

    private static func io(stdin: ByteStream? = nil, _ out: Sink, _ err: Sink, sizes: [TerminalSize] = [])
        -> RemoteCommandIO
    {
        let (resizes, resizesIn) = AsyncStream.makeStream(of: TerminalSize.self)
        for size in sizes { resizesIn.yield(size) }
        return RemoteCommandIO(stdin: stdin, stdout: out.sink, stderr: err.sink, resizes: resizes)
    }

    private static func with(_ body: (VMBench, SandboxEntry, ContainerEntry) async throws -> Void) async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) { $0.annotations = [MachinePorts.annotation: "[]"] }
            try await bench.start(id)
            try await body(bench, sandbox, bench.container(id))
        }
    }

    @Test func `a command's streams and code arrive`() async throws {
        try await Self.with { bench, _, container async throws in
            let (out, err) = (Sink(), Sink())
            let options = RemoteCommandOptions(stdin: false, stdout: true, stderr: true, tty: false)
            let result = await bench.runtime.exec(
                container, command: ["x", ""], options: options, io: Self.io(out, err))
            #expect(result == .exited(code: 42))
            #expect(out.text == "x|")
            #expect(err.text == "err")
        }
    }

    @Test func `input reaches the command, and its end too`() async throws {
        try await Self.with { bench, _, container async throws in
            let (out, err) = (Sink(), Sink())
            let stdin = ByteStream()
            await stdin.push(ByteBuffer(repeating: 7, count: 200_000))
            stdin.finish()
            let options = RemoteCommandOptions(stdin: true, stdout: true, stderr: false, tty: false)
            let result = await bench.runtime.exec(
                container, command: ["cat"], options: options, io: Self.io(stdin: stdin, out, err))
            #expect(result == .exited(code: 0))
            #expect(out.text.utf8.count == 200_000)
        }
    }

    @Test func `a terminal's size is passed on`() async throws {
        try await Self.with { bench, _, container async throws in
            let (out, err) = (Sink(), Sink())
            let stdin = ByteStream()
            let options = RemoteCommandOptions(stdin: true, stdout: true, stderr: false, tty: true)
            async let result = bench.runtime.exec(
                container, command: ["cat"], options: options,
                io: Self.io(stdin: stdin, out, err, sizes: [.init(width: 80, height: 24)]))
            while out.text != "80x24" { try await Task.sleep(for: .milliseconds(2)) }
            stdin.finish()
            #expect(await result == .exited(code: 0))
        }
    }

    @Test func `a guest that still boots is said to the client`() async throws {
        try await Self.with { bench, _, container async throws in
            let (out, err) = (Sink(), Sink())
            let options = RemoteCommandOptions(stdin: false, stdout: true, stderr: true, tty: false)
            guard
                case .failed(let message) = await bench.runtime.exec(
                    container, command: ["boot"], options: options, io: Self.io(out, err))
            else {
                Issue.record("it cannot have run")
                return
            }
            #expect(message.contains("boots"))
        }
    }

    @Test func `attaching shows what the machine writes`() async throws {
        try await Self.with { bench, _, container async throws in
            let (out, err) = (Sink(), Sink())
            let options = RemoteCommandOptions(stdin: false, stdout: true, stderr: true, tty: false)
            #expect(await bench.runtime.attach(container, options: options, io: Self.io(out, err)) == .exited(code: 0))
            #expect(out.text == "console")
        }
    }

    @Test func `a forwarded connection carries bytes both ways and ends on both sides`() async throws {
        try await Self.with { bench, sandbox, _ async throws in
            let out = Sink()
            let inbound = ByteStream()
            await inbound.push(ByteBuffer(string: "hello"))
            inbound.finish()
            let ended = Mutex(false)
            let connection = PortConnection(
                inbound: inbound, write: { try await out.sink.write($0) },
                closeOutput: { ended.withLock { $0 = true } })
            try await bench.runtime.forward(sandbox, port: 8080, connection: connection)
            #expect(out.text == "port 8080:hello")
            #expect(ended.withLock { $0 })
            await #expect(throws: ShimError.self) {
                try await bench.runtime.forward(sandbox, port: 1, connection: connection)
            }
        }
    }
}
