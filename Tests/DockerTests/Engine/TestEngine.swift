import Docker
import Logging
import NIOCore
import NIOPosix
import Sockets
import Support
import Testing

/// Containers on the real engine of this test run.
enum TestEngine {
    static func client() async throws -> DockerClient {
        try await DockerEngine.requireImage()
        return DockerClient(
            endpoint: .unix(path: try DockerEngine.requireSocket()), group: FakeEngine.group, logger: FakeEngine.logger)
    }

    static func name() -> String { "vzt-docker-\(UInt64.random(in: 0...UInt64.max))" }

    /// A container of `command`, gone when the body returns.
    static func withContainer(
        _ command: [String], tty: Bool = false, stdin: Bool = false, start: Bool = true,
        _ body: (DockerClient, String) async throws -> Void
    ) async throws {
        let client = try await client()
        var request = ContainerCreateRequest(image: DockerEngine.image)
        request.cmd = command
        request.tty = tty
        request.openStdin = stdin
        request.stdinOnce = stdin
        request.hostConfig.networkMode = "none"
        // As containers of pods have it.
        request.hostConfig.logConfig = .init(
            type: "local", config: ["max-size": "16m", "max-file": "4", "compress": "false"])
        let id = try await client.createContainer(name: name(), request)
        do {
            if start { try await client.startContainer(id) }
            try await body(client, id)
        } catch {
            try await client.removeContainer(id, force: true, volumes: true)
            await client.close()
            throw error
        }
        try await client.removeContainer(id, force: true, volumes: true)
        await client.close()
    }

    /// The lines of a container's log, each `stream:text`.
    static func lines(_ client: DockerClient, _ id: String, follow: Bool = false, tty: Bool = false) async throws
        -> [String]
    {
        try await entries(client, id, follow: follow, tty: tty).map {
            "\($0.stream):\(String(buffer: $0.bytes))\($0.isPartial ? "…" : "")"
        }
    }

    static func entries(
        _ client: DockerClient, _ id: String, follow: Bool = false, since: Int64? = nil, tail: Int? = nil,
        tty: Bool = false
    ) async throws -> [LogEntry] {
        var all: [LogEntry] = []
        for try await batch in try await client.logs(id, follow: follow, since: since, tail: tail, tty: tty) {
            all += batch
        }
        return all
    }

    /// All output of a process, by stream.
    static func output(_ stream: DockerStream) async throws -> (stdout: String, stderr: String) {
        var (stdout, stderr) = (ByteBuffer(), ByteBuffer())
        for try await frame in stream.frames {
            var bytes = frame.bytes
            if frame.stream == .stderr { stderr.writeBuffer(&bytes) } else { stdout.writeBuffer(&bytes) }
        }
        await stream.close()
        return (String(buffer: stdout), String(buffer: stderr))
    }
}
