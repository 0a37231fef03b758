import Logging
import NIOPosix
import Proto
import Sockets
import Testing

@testable import CRIControl

@Suite("Commands")
struct CommandTests {
    private func pod(_ id: String, _ name: String, created: Int64) -> CRI.PodSandbox {
        .init {
            $0.id = id
            $0.createdAt = created * 1_000_000_000
            $0.state = .sandboxReady
            $0.metadata = .init {
                $0.name = name
                $0.namespace = "default"
                $0.uid = "uid-\(name)"
            }
        }
    }

    private func container(_ id: String, _ name: String, in pod: String, running: Bool = true) -> CRI.Container {
        .init {
            $0.id = id
            $0.podSandboxId = pod
            $0.createdAt = 40_000_000_000
            $0.state = running ? .containerRunning : .containerExited
            $0.image = .init { $0.image = "busybox:1" }
            $0.metadata = .init { $0.name = name }
        }
    }

    private var contents: FakeRuntime.Contents {
        FakeRuntime.Contents(
            pods: [pod("aaaa", "web", created: 30), pod("bbbb", "db", created: 60)],
            containers: [
                container("c1c1", "app", in: "aaaa"), container("c2c2", "side", in: "aaaa", running: false),
                container("d1d1", "app", in: "bbbb"),
            ],
            images: [
                .init {
                    $0.id = "sha256:0123456789abcdef"
                    $0.repoTags = ["host:5000/busybox:1", "busybox:latest"]
                    $0.size = 1_240_000
                },
                .init {
                    $0.id = "sha256:ffff"
                    $0.repoDigests = ["nginx@sha256:eeee"]
                },
            ])
    }

    @Test("version, pods, ps and images are tables")
    func tables() async throws {
        try await FakeRuntime.with(contents) { _, commands, written in
            try await commands.version(.table)
            try await commands.pods(.table)
            try await commands.containers(.table, all: true, pod: "web")
            try await commands.images(.table)
            #expect(
                written.standard == """
                    API:      v1
                    Runtime:  fake 9.9
                    POD ID  AGE  STATE  NAME  NAMESPACE  ATTEMPT  RUNTIME
                    bbbb    40s  Ready  db    default    0        (default)
                    aaaa    70s  Ready  web   default    0        (default)
                    CONTAINER  IMAGE      AGE  STATE    NAME  ATTEMPT  POD ID  POD
                    c2c2       busybox:1  60s  Exited   side  0        aaaa    web
                    c1c1       busybox:1  60s  Running  app   0        aaaa    web
                    IMAGE              TAG     IMAGE ID       SIZE
                    host:5000/busybox  1       0123456789abc  1.24MB
                    busybox            latest  0123456789abc  1.24MB
                    nginx              <none>  ffff           0B

                    """)
        }
    }

    @Test("ps leaves out what does not run, and -q prints full ids")
    func running() async throws {
        try await FakeRuntime.with(contents) { _, commands, written in
            try await commands.containers(.table, quiet: true)
            #expect(written.standard == "d1d1\nc1c1\n")
        }
    }

    @Test("json carries the enum names of the CRI")
    func json() async throws {
        try await FakeRuntime.with(contents) { _, commands, written in
            try await commands.pods(.json, name: "web")
            #expect(written.standard.contains(#""state": "SANDBOX_READY""#))
            #expect(written.standard.contains(#""createdAt": "30000000000""#))
        }
    }

    @Test("stop and remove take names, and pass full ids and the grace period on")
    func lifecycle() async throws {
        try await FakeRuntime.with(contents) { runtime, commands, _ in
            try await commands.stop(containers: ["web/app", "c2"], grace: 7)
            try await commands.remove(containers: ["side"], force: true)
            try await commands.remove(pods: ["default/db"], force: true)
            #expect(
                runtime.calls == [
                    "StopContainer c1c1 7", "StopContainer c2c2 7", "StopContainer c2c2 0", "RemoveContainer c2c2",
                    "StopPodSandbox bbbb", "RemovePodSandbox bbbb",
                ])
        }
    }

    @Test("an ambiguous name changes nothing")
    func ambiguous() async throws {
        try await FakeRuntime.with(contents) { runtime, commands, _ in
            let error = await #expect(throws: ControlError.self) {
                try await commands.stop(containers: ["app"], grace: 7)
            }
            #expect(error?.code == .ambiguous)
            #expect(runtime.calls.isEmpty)
        }
    }

    @Test("exec by ExecSync returns the exact exit code and both outputs")
    func execSync() async throws {
        var contents = contents
        contents.syncAnswer = .init {
            $0.stdout = Array("out".utf8)
            $0.stderr = Array("err".utf8)
            $0.exitCode = 42
        }
        try await FakeRuntime.with(contents) { runtime, commands, written in
            let code = try await commands.execSync("web/app", ["sh", "-c", "x"], limit: .seconds(5))
            #expect(code == 42)
            #expect(written.standard == "out")
            #expect(written.error == "err")
            #expect(runtime.calls == ["ExecSync c1c1 sh -c x 5"])
        }
    }

    @Test("stats from a runtime without statistics is a clear error")
    func stats() async throws {
        try await FakeRuntime.with(contents) { _, commands, _ in
            let error = await #expect(throws: ControlError.self) { try await commands.stats(.table) }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("UNIMPLEMENTED") == true)
        }
    }

    @Test("a runtime that is not there is a clear error that says what to do")
    func away() async throws {
        let client = try ControlClient(
            endpoint: .unix(path: "/nonexistent/cri.sock"), timeout: .seconds(2),
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let error = await #expect(throws: ControlError.self) { try await client.version() }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("/nonexistent/cri.sock (No such file or directory)") == true)
        #expect(error?.message.contains("--endpoint") == true)
        await client.close()
    }

    @Test("what a runtime cannot reach is not told as the runtime being away")
    func registryAway() async throws {
        try await FakeRuntime.with(contents) { _, commands, _ in
            let error = await #expect(throws: ControlError.self) { try await commands.pull("nowhere/x:1") }
            #expect(error?.message == "PullImage: RegistryUnavailable: no such host")
        }
    }
}
