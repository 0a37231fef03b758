import NIOCore
import Testing

@testable import Docker

@Suite("Engine API models")
struct ModelTests {
    private func decode<T: Decodable>(_ type: T.Type, _ json: String) throws -> T {
        try DockerJSON.decode(type, from: ByteBuffer(string: json))
    }

    @Test(
        "the engine's keys become ours",
        arguments: [
            ("Id", "id"), ("ID", "id"), ("OOMKilled", "oomKilled"), ("IPAddress", "ipAddress"), ("NCPU", "ncpu"),
            ("GlobalIPv6Address", "globalIPv6Address"), ("MinAPIVersion", "minAPIVersion"), ("UTSMode", "utsMode"),
            ("Type", "type"), ("timeNano", "timeNano"), ("", ""),
        ])
    func keys(_ engine: String, _ ours: String) { #expect(DockerJSON.lowered(engine) == ours) }

    @Test("labels keep their names")
    func labels() throws {
        let summary = try decode(
            ContainerSummary.self,
            #"{"Id":"a","Names":["/n"],"Created":7,"State":"running","Labels":{"Upper":"1","io.X/y":"2"},"New":{"X":[1]}}"#
        )
        #expect(summary.labels == ["Upper": "1", "io.X/y": "2"])
        #expect(summary.created == 7)
        #expect(summary.names == ["/n"])
    }

    @Test("what an engine leaves out or writes as null has a plain value")
    func tolerant() throws {
        let summary = try decode(ContainerSummary.self, #"{"Id":"a","Labels":null,"Names":null}"#)
        #expect(summary.labels.isEmpty && summary.state.isEmpty)
        let inspect = try decode(
            ContainerInspect.self, #"{"Id":"a","State":{"Status":"created"},"HostConfig":{},"Config":{"Env":null}}"#)
        #expect(inspect.state.status == "created" && !inspect.state.running && inspect.state.exitCode == 0)
        #expect(try decode(ImageInspect.self, #"{"Id":"sha256:1","RepoTags":null,"Config":null}"#).size == 0)
        #expect(try decode(ImageSummary.self, #"{"Id":"sha256:1","RepoTags":null}"#).repoTags == nil)
        #expect(try decode(ExecInspect.self, #"{"Running":true,"ExitCode":null}"#).exitCode == nil)
    }

    @Test(
        "a container without an id or a state is an error, not a guess",
        arguments: [#"{"State":{}}"#, #"{"Id":"a"}"#, "[]", ""])
    func required(_ json: String) { #expect(throws: (any Error).self) { try decode(ContainerInspect.self, json) } }

    @Test("a port without bindings is none, and the rest of the container can be read")
    func nullPorts() throws {
        let host = try decode(
            HostConfig.self,
            #"{"PortBindings":{"80/tcp":null,"53/udp":[{"HostIp":"","HostPort":"5353"}]},"CpuShares":2,"Memory":null,"UTSMode":"host"}"#
        )
        #expect(host.portBindings?["80/tcp"]?.isEmpty == true)
        #expect(host.portBindings?["53/udp"]?.first?.hostPort == "5353")
        #expect(host.cpuShares == 2 && host.memory == nil && host.utsMode == "host")
    }

    @Test("a container is asked for in the engine's words")
    func request() throws {
        var request = ContainerCreateRequest(image: "i")
        request.labels = ["lower": "1", "Upper": "2"]
        request.exposedPorts = ["80/tcp"]
        request.hostConfig.portBindings = ["80/tcp": [.init(hostIP: "127.0.0.1", hostPort: "8080")]]
        request.hostConfig.oomScoreAdj = -998
        request.hostConfig.logConfig = .init(type: "local", config: ["max-size": "1m"])
        let json = String(buffer: try DockerJSON.encode(request))
        for part in [
            #""Image":"i""#, #""lower":"1""#, #""Upper":"2""#, #""ExposedPorts":{"80\/tcp":{}}"#,
            #""OomScoreAdj":-998"#,
            #""HostIp":"127.0.0.1""#, #""HostPort":"8080""#, #""Type":"local""#, #""max-size":"1m""#,
            #""PortBindings":{"80\/tcp":[{"#,
        ] { #expect(json.contains(part), "\(part) in \(json)") }
        #expect(!json.contains("Memory"), "what is not set is the engine's default")
        #expect(!json.contains("Entrypoint"))
    }

    @Test(
        "events are taken apart",
        arguments: [
            (
                #"{"Type":"container","Action":"die","Actor":{"ID":"c","Attributes":{"exitCode":"3","Label":"x"}},"timeNano":5}"#,
                "die", nil, 3, 5
            ),
            (
                #"{"Type":"container","Action":"exec_create: sh -c a:b","Actor":{"ID":"c"},"time":2}"#, "exec_create",
                "sh -c a:b", nil, 2_000_000_000
            ),
            (#"{"Type":"container","Action":"health_status: healthy"}"#, "health_status", "healthy", nil, nil),
            ("{}", "", nil, nil, nil),
        ] as [(String, String, String?, Int?, Int64?)])
    func events(_ json: String, _ action: String, _ detail: String?, _ exitCode: Int?, _ time: Int64?) throws {
        let event = try decode(DockerEvent.self, json)
        #expect(
            event.action == action && event.detail == detail && event.exitCode == exitCode && event.timeNano == time)
    }

    @Test(
        "a pull's failure is found in its progress",
        arguments: [
            (
                #"{"errorDetail":{"code":404,"message":"no such image"},"error":"no such image"}"#,
                DockerError.Code.notFound, "no such image"
            ),
            (
                #"{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}"#, .failed,
                "manifest unknown"
            ),
            (#"{"error":"unauthorized"}"#, .failed, "unauthorized"),
            (#"{"errorDetail":{}}"#, .failed, "reason"),
        ])
    func pullFailure(_ json: String, _ code: DockerError.Code, _ words: String) throws {
        let failure = try decode(PullProgress.self, json).failure
        #expect(failure?.code == code)
        #expect(failure?.message.contains(words) == true)
    }

    @Test("a pull's progress is no failure")
    func pullProgress() throws {
        let progress = try decode(
            PullProgress.self,
            #"{"status":"Downloading","progressDetail":{"current":5,"total":9},"progress":"[=>","id":"ab"}"#)
        #expect(progress.failure == nil)
        #expect(progress.progressDetail?.current == 5 && progress.progressDetail?.total == 9)
    }

    @Test("credentials travel in the alphabet of URLs")
    func auth() throws {
        var auth = RegistryAuth()
        auth.username = "ü?>~"
        auth.password = String(repeating: "?>~", count: 20)
        let header = try DockerClient.header(auth)
        #expect(
            header.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "-_=".utf8.contains($0)
            })
        #expect(header.utf8.count % 4 == 0)
    }
}
