import Foundation
import Logging
import NIOCore
import NIOPosix
import Processes
import Support
import Testing

@testable import VZEngine

@Suite("The control socket")
struct ControlSocketTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Runs a server with a double behind it.
    private func withServer(
        _ body: (MachineClient, FakeService, ControlServer, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory async throws in
            let service = FakeService()
            let path = directory + "/control"
            let me = try #require(ProcessIdentity.of(ProcessInfo.processInfo.processIdentifier))
            let server = try await ControlServer.start(
                socketPath: path, service: service, machineID: "abc", supervisor: me,
                group: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet)
            let client = MachineClient(
                socketPath: path, group: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet)
            do {
                try await body(client, service, server, path)
            } catch {
                await server.close(within: .zero)
                throw error
            }
            await server.close(within: .zero)
        }
    }

    private func collect(_ session: MachineSession) async throws -> (
        output: String, errors: String, last: SessionEvent?
    ) {
        var (output, errors) = (ByteBuffer(), ByteBuffer())
        for try await event in session.events {
            switch event {
            case .output(var bytes): output.writeBuffer(&bytes)
            case .errorOutput(var bytes): errors.writeBuffer(&bytes)
            case .exited, .failed: return (String(buffer: output), String(buffer: errors), event)
            }
        }
        return (String(buffer: output), String(buffer: errors), nil)
    }

    @Test("hello names the machine, its supervisor and its state")
    func hello() async throws {
        try await withServer { client, _, _, _ in
            let hello = try await client.hello()
            #expect(hello.machineID == "abc")
            #expect(hello.version == .current)
            #expect(hello.supervisor.isAlive)
            #expect(hello.status == MachineStatus(phase: .running, startedAt: 1))
        }
    }

    @Test("a watch begins with the present, has every change, and ends with the machine")
    func watch() async throws {
        try await withServer { client, service, _, _ in
            var seen: [MachinePhase] = []
            for try await status in try await client.watch() {
                seen.append(status.phase)
                switch seen.count {
                case 1: service.become(MachineStatus(phase: .stopping))
                case 2: service.become(MachineStatus(phase: .exited))
                default: break
                }
            }
            #expect(seen == [.running, .stopping, .exited])
        }
    }

    @Test("a supervisor that is closed ends its watches")
    func watchEnds() async throws {
        try await withServer { client, _, server, _ in
            let watch = try await client.watch()
            await server.close(within: .milliseconds(10))
            var seen = 0
            for try await _ in watch { seen += 1 }
            #expect(seen == 1)
            await #expect { try await client.hello() } throws: { ($0 as? VZEngineError)?.code == .supervisorLost }
        }
    }

    @Test("stop hands over its grace and returns when the machine has ended")
    func stop() async throws {
        try await withServer { client, service, _, _ in
            try await client.stop(graceSeconds: 7)
            #expect(service.graces == [7])
            #expect(service.status().phase == .exited)
        }
    }

    @Test("errors of the supervisor arrive with their code")
    func errors() async throws {
        try await withServer { client, _, _, _ in
            await #expect { try await client.reopenLog() } throws: { ($0 as? VZEngineError)?.code == .exhausted }
            await #expect { _ = try await client.exec(GuestExec(command: ["refuse"])) } throws: {
                ($0 as? VZEngineError)?.code == .guestBooting
            }
        }
    }

    @Test("what is done with the machine itself arrives with what it needs, and its refusal comes back")
    func operations() async throws {
        try await withServer { client, service, _, _ in
            try await client.setMemory(bytes: 123)
            try await client.pause()
            try await client.save(to: "/some/file")
            try await client.resume()
            #expect(service.operations == ["setMemory 123", "pause", "save /some/file", "resume"])
            let statistics = try await client.statistics()
            #expect(statistics.memoryBytes == 5 && statistics.diskWrittenBytes == 7)
            #expect(statistics.networkSentBytes == nil)
            await #expect { try await client.screenshot(to: "/x") } throws: {
                ($0 as? VZEngineError)?.code == .unsupported
            }
        }
    }

    @Test("a machine that does not answer costs its caller a deadline, and nobody else anything")
    func wedged() async throws {
        try await withServer { client, service, _, _ in
            service.wedge()
            let waiting = Task { try await client.statistics(within: .milliseconds(500)) }
            #expect(try await client.hello().machineID == "abc")
            try await client.pause()
            await #expect { _ = try await waiting.value } throws: { ($0 as? VZEngineError)?.code == .deadline }
        }
    }

    @Test("an operation that an older supervisor does not know is a clear error")
    func older() async throws {
        try await withServer { _, _, _, path in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.autoRead, value: false)
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture { try FrameConnection.install(on: channel) }
                }
            defer { channel.close() }
            var request = ControlRequest(.pause)
            request.operation = "levitate"
            try await channel.send(try .json(request))
            let reply = try #require(try await channel.next()).decode(ControlReply.self)
            #expect(reply.error?.code == .protocolVersion)
            #expect(reply.error?.message.contains("levitate") == true)
        }
    }

    @Test("what a supervisor of version 1.0 says is understood")
    func versionOne() throws {
        let old =
            #"{"machineID":"a","status":{"isReachable":true,"phase":"running","processes":[],"startedAt":1,"wasReachable":true},"supervisor":{"bootID":"b","id":1,"startTime":2},"version":{"major":1,"minor":0}}"#
        let reply = try ControlJSON.decode(ControlReply.self, from: Array(old.utf8))
        #expect(ControlVersion.current.canDrive(reply.version))
        #expect(reply.status?.isPaused == nil && reply.statistics == nil)
    }

    @Test("a session carries input, output, sizes, the end of input and the exit code")
    func session() async throws {
        try await withServer { client, _, _, _ in
            let session = try await client.exec(GuestExec(command: ["cat"], hasStdin: true))
            try await session.send(ByteBuffer(string: "in and "))
            try await session.resize(columns: 132, rows: 50)
            try await session.send(ByteBuffer(string: "out"))
            try await session.closeInput()
            let result = try await collect(session)
            #expect(result.output == "in and out")
            #expect(result.errors == "132x50")
            guard case .exited(code: 42) = result.last else {
                return #expect(Bool(false), "\(String(describing: result.last))")
            }
        }
    }

    @Test("a session that fails keeps what came before")
    func failure() async throws {
        try await withServer { client, _, _, _ in
            let result = try await collect(try await client.exec(GuestExec(command: ["fail"])))
            #expect(result.output == "so far")
            guard case .failed(let error) = result.last else { return #expect(Bool(false)) }
            #expect(error.code == .deadline)
            #expect(error.message == "too long")
        }
    }

    @Test("a session whose time is over while its client does not read says so, when the client does")
    func overrun() async throws {
        try await withServer { client, service, _, _ in
            let session = try await client.exec(GuestExec(command: ["overrun"]))
            try await eventually("its time is over") { service.cancelled == ["overrun"] }
            let result = try await collect(session)
            guard case .failed(let error) = result.last else { return #expect(Bool(false)) }
            #expect(error.code == .deadline, "\(error)")
            #expect(result.output.utf8.allSatisfy { $0 == 7 })
        }
    }

    @Test("what runs in a session is cancelled when the client closes it, or forgets it")
    func cancelled() async throws {
        try await withServer { client, service, _, _ in
            let first = try await client.exec(GuestExec(command: ["hang"]))
            await first.close()
            try await eventually("the first is cancelled") { service.cancelled.count == 1 }
            _ = try await client.exec(GuestExec(command: ["hang"]))
            try await eventually("the second is cancelled") { service.cancelled.count == 2 }
        }
    }

    @Test("a supervisor that ends takes its sessions with it, and they say so")
    func lostSession() async throws {
        try await withServer { client, _, server, _ in
            let session = try await client.exec(GuestExec(command: ["hang"]))
            await server.close(within: .zero)
            let result = try await collect(session)
            guard case .failed = result.last else { return #expect(Bool(false)) }
        }
    }

    @Test("64 MiB arrive whole at a slow reader")
    func flood() async throws {
        try await withServer { client, _, _, _ in
            let session = try await client.exec(GuestExec(command: ["flood", "64"]))
            var count = 0
            for try await event in session.events {
                if case .output(let bytes) = event { count += bytes.readableBytes }
                await Task.yield()
            }
            #expect(count == 64 << 20)
        }
    }

    @Test("a forwarded connection is closed by halves")
    func forward() async throws {
        try await withServer { client, _, _, _ in
            let session = try await client.forward(port: 8080)
            let result = try await collect(session)
            #expect(result.output == "port 8080")
            #expect(result.last == nil)
            try await session.send(ByteBuffer(string: "late"))
            try await session.closeInput()
        }
    }

    @Test("nobody there is a lost supervisor")
    func absent() async throws {
        try await withTemporaryDirectory { directory async throws in
            let client = MachineClient(
                socketPath: directory + "/none", group: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet)
            await #expect { try await client.hello() } throws: { ($0 as? VZEngineError)?.code == .supervisorLost }
        }
    }

    @Test("garbage ends its own connection and no other")
    func garbage() async throws {
        try await withServer { client, _, _, path in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
            try await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
            try await channel.closeFuture.get()
            #expect(try await client.hello().machineID == "abc")
        }
    }

    @Test("an operation of a newer client is refused by name")
    func unknownOperation() async throws {
        try await withServer { _, _, _, path in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.autoRead, value: false)
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture { try FrameConnection.install(on: channel) }
                }
            var request = ControlRequest(.hello)
            request.operation = "teleport"
            try await channel.send(try .json(request))
            let reply = try #require(try await channel.next()).decode(ControlReply.self)
            #expect(reply.error?.code == .protocolVersion)
            #expect(reply.error?.message.contains("teleport") == true)
            channel.close()
        }
    }

    @Test("a supervisor of another major version is refused, and says which")
    func otherVersion() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/control"
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        var bytes = ByteBuffer()
                        ControlFrame(.message, ByteBuffer(string: #"{"version":{"major":2,"minor":0},"who":1}"#))
                            .write(to: &bytes)
                        channel.writeAndFlush(bytes, promise: nil)
                    }
                }
                .bind(unixDomainSocketPath: path).get()
            let client = MachineClient(
                socketPath: path, group: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet)
            await #expect { try await client.hello() } throws: {
                let error = $0 as? VZEngineError
                return error?.code == .protocolVersion && error?.message.contains("2.0") == true
            }
            try await server.close()
        }
    }
}
