import Docker
import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Sockets
import Support
import Testing

@Suite("Docker client")
struct ClientTests {
    private func failure<R>(of work: () async throws -> R) async -> DockerError? {
        do {
            _ = try await work()
            return nil
        } catch {
            return error as? DockerError
        }
    }

    @Test(
        "calls name the API version that was agreed on",
        arguments: [
            (#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#, "/v1.41/"),
            (#"{"ApiVersion":"1.52","MinAPIVersion":"1.44"}"#, "/v1.47/"),
            (#"{"ApiVersion":"1.60","MinAPIVersion":"1.50"}"#, "/v1.50/"),
        ])
    func agrees(_ version: String, _ prefix: String) async throws {
        try await FakeEngine.run(version: version) {
            FakeEngine.json("{\"Name\":\"\($0.path)\"}")
        } _: { client in
            let info = try await client.info()
            #expect(info.name == prefix + "info")
        }
    }

    @Test("an engine that became another one is agreed with anew")
    func agreesAnew() async throws {
        let offered = NIOLockedValueBox("1.41")
        try await withTemporaryDirectory { directory in
            let server = HTTPServer(
                listeners: [.unix(directory + "/s")], logger: FakeEngine.logger, group: FakeEngine.group
            ) {
                request in
                let now = offered.withLockedValue { $0 }
                return FakeEngine.json("{\"ApiVersion\":\"\(now)\",\"Name\":\"\(request.path)\"}")
            }
            let client = DockerClient(
                endpoint: try await server.start()[0], group: FakeEngine.group, logger: FakeEngine.logger)
            let before = try await client.info().name
            #expect(before == "/v1.41/info")
            offered.withLockedValue { $0 = "1.45" }
            _ = try await client.version()
            let after = try await client.info().name
            #expect(after == "/v1.45/info")
            await client.close()
            await server.drain(within: .zero)
        }
    }

    @Test("an engine that is too old is told of, and how old it may be")
    func tooOld() async throws {
        try await FakeEngine.run(version: #"{"ApiVersion":"1.24"}"#) { _ in
            FakeEngine.json("{}")
        } _: { client in
            let error = await failure { try await client.info() }
            #expect(error?.message.contains("1.24") == true && error?.message.contains("19.03") == true)
        }
    }

    @Test("without a socket the error says what to start and where to name another engine")
    func absent() async throws {
        try await withTemporaryDirectory { directory in
            let client = DockerClient(
                endpoint: .unix(path: directory + "/none"), group: FakeEngine.group, logger: FakeEngine.logger)
            let error = await failure { try await client.ping() }
            #expect(error?.code == .unavailable)
            for part in [directory, "start Docker", "DOCKER_HOST"] { #expect(error?.message.contains(part) == true) }
        }
    }

    @Test("an address nobody listens on is unavailable")
    func refused() async throws {
        let client = DockerClient(
            endpoint: .tcp(host: "127.0.0.1", port: 1), group: FakeEngine.group, logger: FakeEngine.logger)
        #expect(await failure { try await client.ping() }?.code == .unavailable)
    }

    @Test("a wait that lasts too long ends although the answer has begun")
    func waitDeadline() async throws {
        try await FakeEngine.run { _ in
            HTTPResponse(
                .ok,
                body: .stream { writer in
                    try await writer.write(ByteBuffer(string: " "))
                    try await Task.sleep(for: .seconds(3600))
                })
        } _: { client in
            let error = await failure { try await client.waitContainer("a", untilNotRunningWithin: .milliseconds(200)) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("/containers/a/wait") == true)
        }
    }

    @Test("a cancelled call ends at once, as cancelled")
    func cancelled() async throws {
        let asked = NIOLockedValueBox(false)
        try await FakeEngine.run { _ in
            asked.withLockedValue { $0 = true }
            try await Task.sleep(for: .seconds(3600))
            return FakeEngine.json("{}")
        } _: { client in
            let call = Task { try await client.inspectContainer("a") }
            try await eventually("the engine is asked") { asked.withLockedValue { $0 } }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
        }
    }

    @Test("an answer that is no JSON names the call")
    func unreadable() async throws {
        try await FakeEngine.run { _ in
            FakeEngine.json("<html>")
        } _: { client in
            #expect(await failure { try await client.listImages() }?.message.contains("/images/json") == true)
        }
    }

    @Test(
        "streams that break off are unavailable, after what came before",
        arguments: ["{\"Type\":\"container\",\"Action\":\"start\"}\n"])
    func broken(_ line: String) async throws {
        try await FakeEngine.run { _ in
            FakeEngine.brokenOff(line)
        } _: { client in
            var seen: [String] = []
            let error = await failure {
                for try await event in try await client.events() { seen.append(event.action) }
            }
            #expect(seen == ["start"])
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a log that breaks off is unavailable")
    func brokenLog() async throws {
        try await FakeEngine.run { _ in
            FakeEngine.brokenOff("")
        } _: { client in
            let error = await failure { for try await _ in try await client.logs("a", follow: true, tty: false) {} }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("a log that is read slowly comes whole")
    func slowReader() async throws {
        let count = 20_000
        try await FakeEngine.run { _ in
            HTTPResponse(
                .ok,
                body: .stream { writer in
                    for number in 0..<count {
                        let message = frame(1, "2026-11-21T07:13:40.340647656Z \(number)\n")
                        try await writer.write(ByteBuffer(bytes: message))
                    }
                })
        } _: { client in
            var next = 0
            for try await batch in try await client.logs("a", follow: true, tty: false) {
                for entry in batch where String(buffer: entry.bytes) == String(next) { next += 1 }
                if next % 100 < batch.count { try await Task.sleep(for: .milliseconds(1)) }
            }
            #expect(next == count)
        }
    }

    @Test("a pull that fails in the middle throws the engine's words")
    func pull() async throws {
        try await FakeEngine.run { request in
            #expect(request.headers["x-registry-auth"].first?.isEmpty == false)
            #expect(request.queryValue("fromImage") == "registry:5000/a" && request.queryValue("tag") == "1")
            return FakeEngine.json(
                "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"toomanyrequests: slow down\"},\"error\":\"toomanyrequests: slow down\"}\r\n"
            )
        } _: { client in
            var auth = RegistryAuth()
            auth.identityToken = "t"
            var seen: [String] = []
            let error = await failure {
                for try await progress in try await client.pullImage("registry:5000/a", tag: "1", auth: auth) {
                    seen.append(progress.status ?? "")
                }
            }
            #expect(seen == ["Pulling"])
            #expect(error?.message == "toomanyrequests: slow down")
        }
    }

    @Test("filters, times and ends of logs are asked for as the engine reads them")
    func queries() async throws {
        let asked = NIOLockedValueBox<[String: String]>([:])
        try await FakeEngine.run { request in
            asked.withLockedValue { $0 = Dictionary(request.query.map { ($0.name, $0.value) }) { $1 } }
            return FakeEngine.json("[]")
        } _: { client in
            _ = try await client.listContainers(all: true, labels: ["a=b", "c"], filters: ["status": ["exited"]])
            #expect(
                asked.withLockedValue { $0 } == ["all": "1", "filters": #"{"label":["a=b","c"],"status":["exited"]}"#])
            _ = try await client.logs(
                "a", follow: false, since: 1_000_000_002, until: 3_000_000_004, tail: 5, tty: false)
            #expect(
                asked.withLockedValue { $0 } == [
                    "stdout": "1", "stderr": "1", "timestamps": "1", "follow": "0", "since": "1.000000002",
                    "until": "3.000000004", "tail": "5",
                ])
        }
    }

    @Test(
        "a stop's time is whole seconds, rounded up",
        arguments: [(Duration.seconds(3), "3"), (.milliseconds(1), "1"), (.zero, "0"), (.seconds(-1), "0")])
    func stopTime(_ time: Duration, _ seconds: String) async throws {
        try await FakeEngine.run { request in
            #expect(request.queryValue("t") == seconds)
            return FakeEngine.json("{\"message\":\"\"}", .notModified)
        } _: { client in
            #expect(await failure { try await client.stopContainer("a", timeout: time) }?.code == .notModified)
        }
    }
}
