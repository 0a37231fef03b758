import Docker
import NIOCore
import Support
import Testing

extension EngineTests {
    @Suite("Exec and attach")
    struct Exec {
        private func exec(
            _ client: DockerClient, _ id: String, _ command: [String], stdin: ByteBuffer? = nil, tty: Bool = false
        ) async throws -> (stdout: String, stderr: String, code: Int?) {
            let exec = try await client.createExec(
                id,
                ExecCreateRequest(
                    cmd: command, attachStdin: stdin != nil, attachStdout: true, attachStderr: !tty, tty: tty))
            let stream = try await client.startExec(exec, tty: tty)
            async let output = TestEngine.output(stream)
            if let stdin {
                try await stream.write(stdin)
                try await stream.closeInput()
            }
            let (stdout, stderr) = try await output
            try await eventually("the engine notes the end") { try await !client.inspectExec(exec).running }
            return (stdout, stderr, try await client.inspectExec(exec).exitCode)
        }

        @Test("output by stream, and the exit code", arguments: [0, 1, 42, 255])
        func codes(_ code: Int) async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let done = try await exec(client, id, ["sh", "-c", "echo out; echo err >&2; exit \(code)"])
                #expect(done == ("out\n", "err\n", code))
            }
        }

        @Test("a program that is not there fails as a shell would say it")
        func noProgram() async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let done = try await exec(client, id, ["/no/such/program"])
                #expect(done.code == 126 || done.code == 127)
                #expect((done.stdout + done.stderr).contains("no such file"))
            }
        }

        @Test("the end of stdin is seen, and what follows it still comes back")
        func halfClose() async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let text = String(repeating: "0123456789abcdef", count: 64 << 10)
                let done = try await exec(client, id, ["sh", "-c", "cat; echo end"], stdin: ByteBuffer(string: text))
                #expect(done.stdout == text + "end\n" && done.code == 0)
            }
        }

        @Test("a terminal has its size, and control-P goes through at once")
        func terminal() async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let script = "stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tx1; stty size"
                let exec = try await client.createExec(
                    id,
                    ExecCreateRequest(
                        cmd: ["sh", "-c", script], attachStdin: true, attachStdout: true, attachStderr: false, tty: true
                    ))
                let stream = try await client.startExec(exec, tty: true)
                try await client.resizeExec(exec, width: 123, height: 45)
                var output = ""
                for try await frame in stream.frames {
                    #expect(frame.stream == .stdout)
                    let before = output
                    output += String(buffer: frame.bytes)
                    // Control-P and control-Q: Docker's own keys for leaving.
                    if !before.contains("ready"), output.contains("ready") {
                        try await stream.write(ByteBuffer(bytes: [16, 17]))
                    }
                }
                await stream.close()
                #expect(output.contains("10 11"))
                #expect(output.contains("45 123"))
            }
        }

        @Test("an exec in a container that does not run is a conflict, one in none is not found")
        func notRunning() async throws {
            let request = ExecCreateRequest(
                cmd: ["true"], attachStdin: false, attachStdout: true, attachStderr: true, tty: false)
            try await TestEngine.withContainer(["true"], start: false) { client, id in
                #expect(await TestEngine.code { try await client.createExec(id, request) } == .conflict)
                #expect(await TestEngine.code { try await client.createExec("vzt-none", request) } == .notFound)
                #expect(await TestEngine.code { try await client.startExec("none", tty: false) } == .notFound)
            }
        }

        @Test("an exec that runs has a process and no exit code")
        func running() async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let exec = try await client.createExec(
                    id,
                    ExecCreateRequest(
                        cmd: ["sh", "-c", "echo up; sleep 600"], attachStdin: false, attachStdout: true,
                        attachStderr: true, tty: false))
                let stream = try await client.startExec(exec, tty: false)
                var frames = stream.frames.makeAsyncIterator()
                #expect(try await frames.next().map { String(buffer: $0.bytes) } == "up\n")
                let inspect = try await client.inspectExec(exec)
                #expect(inspect.running && inspect.exitCode == nil)
                try await eventually("the engine knows the process") {
                    (try await client.inspectExec(exec).pid ?? 0) > 0
                }
                await stream.close()
            }
        }

        @Test("attached streams carry both ways, before the start as well")
        func attach() async throws {
            try await TestEngine.withContainer(["sh", "-c", "echo err >&2; cat; echo end"], stdin: true, start: false) {
                client, id in
                let stream = try await client.attachContainer(id, stdin: true, stdout: true, stderr: true, tty: false)
                try await client.startContainer(id)
                async let output = TestEngine.output(stream)
                try await stream.write(ByteBuffer(string: "hello\n"))
                try await stream.closeInput()
                let (stdout, stderr) = try await output
                #expect(stdout == "hello\nend\n" && stderr == "err\n")
                let code = try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                #expect(code == 0)
            }
        }

        @Test("an attached terminal passes control-P control-Q on")
        func attachTerminal() async throws {
            let script = "stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tx1"
            try await TestEngine.withContainer(["sh", "-c", script], tty: true, stdin: true, start: false) {
                client, id in
                let stream = try await client.attachContainer(id, stdin: true, stdout: true, stderr: true, tty: true)
                try await client.startContainer(id)
                try await client.resizeContainer(id, width: 80, height: 24)
                var output = ""
                for try await frame in stream.frames {
                    let before = output
                    output += String(buffer: frame.bytes)
                    if !before.contains("ready"), output.contains("ready") {
                        try await stream.write(ByteBuffer(bytes: [16, 17]))
                    }
                }
                await stream.close()
                #expect(output.contains("10 11"))
            }
        }
    }
}
