import Foundation
import NIOCore
import NIOPosix
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("Sessions of a supervisor")
struct SessionTests {
    private struct Said {
        var output = ""
        var errors = ""
        var code: Int32?
        var error: VZEngineError?
    }

    private func collect(_ session: MachineSession) async throws -> Said {
        var said = Said()
        for try await event in session.events {
            switch event {
            case .output(let bytes): said.output += String(buffer: bytes)
            case .errorOutput(let bytes): said.errors += String(buffer: bytes)
            case .exited(let code): said.code = code
            case .failed(let error): said.error = error
            }
        }
        return said
    }

    // MARK: exec

    @Test("exec keeps outputs apart and brings the code")
    func exec() async throws {
        try await HostHarness.with { config in
            config.main.environment = ["FROM": "main"]
        } _: { host in
            try await host.connected()
            let said = try await collect(
                try await host.client.exec(
                    GuestExec(
                        command: ["sh", "-c", "echo $FROM $EXTRA; echo err >&2; exit 9"], environment: ["EXTRA": "here"]
                    )))
            #expect(said.output == "main here\n")
            #expect(said.errors == "err\n")
            #expect(said.code == 9)
        }
    }

    @Test("exec hands on its input and the end of it")
    func execInput() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            let session = try await host.client.exec(GuestExec(command: ["wc", "-c"], hasStdin: true))
            for _ in 0..<10 { try await session.send(ByteBuffer(repeating: 65, count: 100_000)) }
            try await session.closeInput()
            #expect(try await collect(session).output.trimmingCharacters(in: .whitespacesAndNewlines) == "1000000")
        }
    }

    @Test("a guest that boots refuses an exec at its own limit, and serves one that waits")
    func booting() async throws {
        try await HostHarness.with(isBooted: false) { _ in
        } _: { host in
            try await host.connected()
            await #expect { _ = try await host.client.exec(GuestExec(command: ["true"], timeoutSeconds: 1)) } throws: {
                ($0 as? VZEngineError)?.code == .guestBooting
            }
            async let waiting = host.client.exec(GuestExec(command: ["echo", "at last"]))
            host.guest.boot()
            #expect(try await collect(try await waiting).output == "at last\n")
        }
    }

    @Test("an exec over its time is a deadline, and what it started is killed")
    func execDeadline() async throws {
        try await withTemporaryDirectory { directory in
            try await HostHarness.with { _ in
            } _: { host in
                try await host.connected()
                // One without a limit waits until the guest is set up.
                _ = try await collect(try await host.client.exec(GuestExec(command: ["true"])))
                let session = try await host.client.exec(
                    GuestExec(
                        command: ["sh", "-c", "echo $$ > \(directory)/pid; sleep 600 & wait"], timeoutSeconds: 1))
                let said = try await collect(session)
                #expect(said.error?.code == .deadline)
                try await gone(directory + "/pid")
            }
        }
    }

    @Test("a session that is closed kills what it ran")
    func execClosed() async throws {
        try await withTemporaryDirectory { directory in
            try await HostHarness.with { _ in
            } _: { host in
                try await host.reached()
                let session = try await host.client.exec(
                    GuestExec(command: ["sh", "-c", "echo $$ > \(directory)/pid; sleep 600 & wait"]))
                try await eventually("it runs") { pid(directory + "/pid") != nil }
                await session.close()
                try await gone(directory + "/pid")
            }
        }
    }

    private func pid(_ path: String) -> Int32? {
        (try? String(contentsOfFile: path, encoding: .utf8)).flatMap {
            Int32($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }

    private func gone(_ path: String) async throws {
        let id = try #require(pid(path))
        try await eventually("process \(id) is gone") { kill(-id, 0) != 0 && errno == ESRCH }
    }

    @Test("the machine's end ends its sessions with an error, not with a code")
    func execLost() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            let session = try await host.client.exec(GuestExec(command: ["sleep", "600"]))
            host.engine.machine?.end(.crashed(message: "x"))
            let said = try await collect(session)
            #expect(said.code == nil)
            #expect(said.error != nil)
            try await host.ended()
        }
    }

    // MARK: attach

    @Test("several clients see the command's output, each can write to it, and all hear its code")
    func attach() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "while read line; do echo got $line; [ $line = end ] && exit 4; done"]
            config.main.stdin = true
        } _: { host in
            try await host.connected()
            let first = try await host.client.attach(GuestAttach(hasStdin: true))
            let second = try await host.client.attach(GuestAttach(hasStdin: true))
            try await first.send(ByteBuffer(string: "one\n"))
            async let one = collect(first)
            async let two = collect(second)
            try await eventually("the first line") { (try? host.logLines()) == ["stdout F got one"] }
            // Without stdinOnce a client that has said everything ends nothing.
            try await first.closeInput()
            try await second.send(ByteBuffer(string: "end\n"))
            let (left, right) = try await (one, two)
            #expect(left.output == "got one\ngot end\n")
            #expect(right.output == left.output)
            #expect(left.code == 4)
            #expect(right.code == 4)
            try await host.ended()
            #expect(try host.logLines() == ["stdout F got one", "stdout F got end"])
        }
    }

    @Test("with stdinOnce the client's end of input is the command's")
    func stdinOnce() async throws {
        try await HostHarness.with { config in
            config.main.command = ["wc", "-c"]
            config.main.stdin = true
            config.main.stdinOnce = true
        } _: { host in
            try await host.connected()
            let session = try await host.client.attach(GuestAttach(hasStdin: true))
            try await session.send(ByteBuffer(string: "four"))
            try await session.closeInput()
            let said = try await collect(session)
            #expect(said.output.trimmingCharacters(in: .whitespacesAndNewlines) == "4")
            try await host.ended()
        }
    }

    @Test("an attached client that reads nothing does not hold up the log")
    func slowClient() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "read go; head -c 30000000 /dev/zero | tr '\\0' x | fold -w 1000"]
            config.main.stdin = true
        } _: { host in
            try await host.connected()
            let idle = try await host.client.attach(GuestAttach(hasStdin: true))
            try await idle.send(ByteBuffer(string: "go\n"))
            try await host.ended()
            #expect(try host.logLines().count == 30000)
            #expect(try await collect(idle).error != nil)
        }
    }

    @Test("attach without a command follows the console")
    func attachConsole() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            let session = try await host.client.attach(GuestAttach())
            host.engine.machine?.say("hello from the console\n")
            host.engine.machine?.end(.poweredOff)
            let said = try await collect(session)
            #expect(said.output == "hello from the console\n")
            #expect(said.code == 0)
            try await host.ended()
        }
    }

    // MARK: forward

    /// A server that sends back what it gets, and closes when its client has said everything.
    private func withEcho(_ body: (Int) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        try await body(server.localAddress!.port!)
        try await server.close()
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(data, promise: nil)
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
        }
    }

    @Test("a forwarded connection carries bytes both ways and closes by halves")
    func forward() async throws {
        try await withEcho { port in
            try await HostHarness.with { _ in
            } _: { host in
                try await host.reached()
                let session = try await host.client.forward(port: port)
                try await session.send(ByteBuffer(string: "there and back"))
                try await session.closeInput()
                let said = try await collect(session)
                #expect(said.output == "there and back")
                #expect(said.error == nil)
            }
        }
    }

    @Test("a port nobody listens on is refused before the session begins")
    func refused() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            await #expect { _ = try await host.client.forward(port: 1) } throws: {
                ($0 as? VZEngineError)?.code == .failed
            }
        }
    }

    @Test("the pod's other ports are served in the guest, and lead to this side's localhost")
    func peers() async throws {
        try await withEcho { port in
            try await HostHarness.with { config in
                config.network.peerPorts = [port]
            } _: { host in
                try await host.reached()
                try await eventually("the guest listens") { host.guest.listening[port] != nil }
                let handler = try #require(host.guest.listening[port])
                let stream = ScriptedStream(["ping"])
                await handler(stream)
                #expect(stream.written == "ping")
            }
        }
    }
}
