import Docker
import Foundation
import NIOCore
import Sockets
import Support
import Testing

extension EngineTests {
    @Suite("An engine that dies", .enabled(if: geteuid() == 0, "skipped: an engine of its own needs root"))
    struct Death {
        private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "scripts/docker-engine").path

        /// Runs `body` with an engine of its own and the process id of that engine.
        private func withEngine(_ body: (DockerClient, Int32) async throws -> Void) async throws {
            let directory = "/tmp/vzt.\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
            let owner = String(ProcessInfo.processInfo.processIdentifier)
            let started = try await ChildProcess.run(
                Self.script, ["start", directory, "--owner", owner], limit: .seconds(120))
            try #require(started.code == 0, "\(started.errors)")
            let client = DockerClient(
                endpoint: .unix(path: directory + "/docker.sock"), group: FakeEngine.group, logger: FakeEngine.logger)
            var failure: (any Error)?
            do {
                let text = try String(contentsOfFile: directory + "/docker.pid", encoding: .utf8)
                try await body(client, try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))))
            } catch {
                failure = error
            }
            await client.close()
            let stopped = try await ChildProcess.run(Self.script, ["stop", directory], limit: .seconds(120))
            #expect(stopped.code == 0, "\(stopped.errors)")
            if let failure { throw failure }
        }

        private func importBusybox(_ client: DockerClient) async throws {
            try await withTemporaryDirectory { directory in
                let busybox = try #require(
                    ["/bin/busybox", "/usr/bin/busybox"].first(where: FileManager.default.fileExists))
                try FileManager.default.createDirectory(
                    atPath: directory + "/tree/bin", withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: busybox, toPath: directory + "/tree/bin/busybox")
                let tar = try await ChildProcess.run(
                    "/bin/tar", ["-C", directory + "/tree", "-cf", directory + "/t", "."])
                try #require(tar.code == 0)
                let archive = ByteBuffer(bytes: try Data(contentsOf: URL(filePath: directory + "/t")))
                try await client.importImage(archive, repository: "busybox", tag: "1")
            }
        }

        @Test("streams end, logs and events as unavailable after what came before, and so does the next call")
        func streams() async throws {
            try await withEngine { client, engine in
                try await importBusybox(client)
                var request = ContainerCreateRequest(image: "busybox:1")
                request.cmd = ["busybox", "sh", "-c", "echo before; busybox sleep 600"]
                request.hostConfig.networkMode = "none"
                request.hostConfig.logConfig = .init(type: "local", config: [:])
                let id = try await client.createContainer(name: TestEngine.name(), request)
                let events = try await client.events(filters: ["container": [id]])
                var happened = events.makeAsyncIterator()
                try await client.startContainer(id)
                let first = try await happened.next()
                #expect(first?.action == "start")
                var log = try await client.logs(id, follow: true, tty: false).makeAsyncIterator()
                let line = try await log.next()
                #expect(line?.map { String(buffer: $0.bytes) } == ["before"])
                let exec = try await client.createExec(
                    id,
                    ExecCreateRequest(
                        cmd: ["busybox", "sh", "-c", "echo up; busybox sleep 600"], attachStdin: false,
                        attachStdout: true,
                        attachStderr: true, tty: false))
                let stream = try await client.startExec(exec, tty: false)
                var frames = stream.frames.makeAsyncIterator()
                let frame = try await frames.next()
                #expect(frame.map { String(buffer: $0.bytes) } == "up\n")

                kill(engine, SIGKILL)

                let logEnd = await TestEngine.code { while try await log.next() != nil {} }
                #expect(logEnd == .unavailable)
                let eventsEnd = await TestEngine.code { while try await happened.next() != nil {} }
                #expect(eventsEnd == .unavailable)
                // How the process ended cannot be told from its stream: asking does.
                let execEnd = await TestEngine.code { while try await frames.next() != nil {} }
                #expect(execEnd == nil || execEnd == .unavailable)
                await stream.close()
                let asked = await TestEngine.code { try await client.inspectExec(exec) }
                #expect(asked == .unavailable)
                let wait = await TestEngine.failure { try await client.ping() }
                #expect(wait?.message.contains("start Docker") == true)
            }
        }
    }
}
