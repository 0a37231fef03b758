import Proto
import RPC
import Sockets
import Support
import Testing

@testable import CRIShim

/// Real containers on a real engine, through our own gRPC.
@Suite(.serialized, .enabled(if: TestEngine.isPossible, DockerEngine.skipReason)) struct PodLifecycleTests {
    @Test func `a pod runs, says so, and leaves nothing behind`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let version: CRI.VersionResponse = try await shim.call(CRI.RuntimeService.version)
            #expect(version.runtimeName == "vz-cri")
            let info: CRI.StatusResponse = try await shim.call(CRI.RuntimeService.status) { $0.verbose = true }
            #expect(info.status?.conditions.map(\.type) == ["RuntimeReady", "NetworkReady", "VMDiskReady"])
            #expect(info.status?.conditions.allSatisfy(\.status) == true)
            #expect(info.runtimeHandlers.map(\.name) == ["", "docker", "vm"])

            let config = shim.sandboxConfig { $0.labels = ["app": "web"] }
            let sandbox = try await shim.runSandbox(config)
            let pod = try await shim.sandboxStatus(sandbox)
            #expect(pod.state == .sandboxReady)
            #expect(pod.network?.ip.isEmpty == false)
            #expect(pod.labels == ["app": "web"])

            let container = try await shim.create(
                "main", in: sandbox, config, image: engine.image,
                script: "echo out; echo err >&2; hostname; exec sleep 1000")
            #expect(try await shim.status(container).state == .containerCreated)
            try await shim.start(container)
            let running = try await shim.status(container)
            #expect(running.state == .containerRunning)
            #expect(running.startedAt >= running.createdAt && running.createdAt > 0)
            let list: CRI.ListContainersResponse = try await shim.call(CRI.RuntimeService.listContainers)
            #expect(list.containers.map(\.id) == [container])
            #expect(list.containers.first?.imageRef == running.imageRef)
            #expect(list.containers.first?.podSandboxId == sandbox)

            let exec = try await shim.exec(container, "/bin/sh", "-c", "echo hi; echo no >&2; exit 42")
            #expect(String(decoding: exec.stdout, as: UTF8.self) == "hi\n")
            #expect(String(decoding: exec.stderr, as: UTF8.self) == "no\n")
            #expect(exec.exitCode == 42)

            let _: CRI.StopContainerResponse = try await shim.call(CRI.RuntimeService.stopContainer) {
                $0.containerId = container
                $0.timeout = 0
            }
            let ended = try await shim.status(container)
            #expect(ended.state == .containerExited)
            #expect(ended.exitCode == 137)
            #expect(ended.reason == "Error")
            let log = try shim.log(ended)
            #expect(log.contains("stdout F out"))
            #expect(log.contains("stderr F err"))
            #expect(log.contains("stdout F web"), "the hostname is the pod's")

            let _: CRI.RemoveContainerResponse = try await shim.call(CRI.RuntimeService.removeContainer) {
                $0.containerId = container
            }
            let _: CRI.StopPodSandboxResponse = try await shim.call(CRI.RuntimeService.stopPodSandbox) {
                $0.podSandboxId = sandbox
            }
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxNotready)
            let _: CRI.RemovePodSandboxResponse = try await shim.call(CRI.RuntimeService.removePodSandbox) {
                $0.podSandboxId = sandbox
            }
            let sandboxes: CRI.ListPodSandboxResponse = try await shim.call(CRI.RuntimeService.listPodSandbox)
            #expect(sandboxes.items.isEmpty)
            #expect(try RootDirectory.entries(of: shim.configuration.rootDirectory + "/sandboxes") == [])
            #expect(try await engine.containers(ofShimIn: shim.directory).isEmpty)
        }
    }

    @Test func `an exit code arrives with the whole log`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig()
            let sandbox = try await shim.runSandbox(config)
            let container = try await shim.create(
                "job", in: sandbox, config, image: engine.image,
                script: "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf end; exit 3")
            try await shim.start(container)
            let ended = try await shim.ended(container)
            #expect(ended.exitCode == 3)
            #expect(ended.finishedAt >= ended.startedAt)
            let log = try shim.log(ended)
            #expect(log.dropLast() == (0..<2000).map { "stdout F line \($0)" }[...])
            #expect(log.last == "stdout P end")
        }
    }

    @Test func `a command that cannot be started is an end with a reason`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig()
            let sandbox = try await shim.runSandbox(config)
            let container = try await shim.create("bad", in: sandbox, config, image: engine.image, script: "") {
                $0.command = ["/nonexistent"]
            }
            await #expect(throws: RPCError.self) { try await shim.start(container) }
            let status = try await shim.status(container)
            #expect(status.state == .containerExited)
            #expect(status.exitCode == 128)
            #expect(status.reason == "StartError")
            #expect(status.message.contains("/nonexistent"))
        }
    }

    @Test func `what is unknown, gone or done already is no error where the CRI says so`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let nobody = Identifiers.sandbox()
            let _: CRI.StopContainerResponse = try await shim.call(CRI.RuntimeService.stopContainer) {
                $0.containerId = nobody
            }
            let _: CRI.RemoveContainerResponse = try await shim.call(CRI.RuntimeService.removeContainer) {
                $0.containerId = nobody
            }
            let _: CRI.StopPodSandboxResponse = try await shim.call(CRI.RuntimeService.stopPodSandbox) {
                $0.podSandboxId = nobody
            }
            let _: CRI.RemovePodSandboxResponse = try await shim.call(CRI.RuntimeService.removePodSandbox) {
                $0.podSandboxId = nobody
            }
            let _: CRI.RemoveImageResponse = try await shim.call(CRI.ImageService.removeImage) {
                $0.image = .init { $0.image = "no.such/image:1" }
            }
            await expectStatus(.notFound) { _ = try await shim.status(nobody) }
            await expectStatus(.notFound) { _ = try await shim.sandboxStatus(nobody) }
            await expectStatus(.notFound) { try await shim.start(nobody) }
            await expectStatus(.notFound) { _ = try await shim.exec(nobody, "true") }
            await expectStatus(.invalidArgument) {
                _ = try await shim.runSandbox(shim.sandboxConfig(), handler: "gvisor")
            }
        }
    }

    @Test func `names are taken until their owner is removed`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig()
            let sandbox = try await shim.runSandbox(config, handler: "docker")
            await expectStatus(.alreadyExists) { _ = try await shim.runSandbox(config, handler: "docker") }
            let container = try await shim.create(
                "main", in: sandbox, config, image: engine.image, script: "sleep 1000")
            await expectStatus(.alreadyExists) {
                _ = try await shim.create("main", in: sandbox, config, image: engine.image, script: "true")
            }
            let _: CRI.RemoveContainerResponse = try await shim.call(CRI.RuntimeService.removeContainer) {
                $0.containerId = container
            }
            _ = try await shim.create("main", in: sandbox, config, image: engine.image, script: "true")
            await expectStatus(.notFound) {
                _ = try await shim.create("other", in: sandbox, config, image: "no.such/image:1", script: "true")
            }
            let _: CRI.StopPodSandboxResponse = try await shim.call(CRI.RuntimeService.stopPodSandbox) {
                $0.podSandboxId = sandbox
            }
            await expectStatus(.failedPrecondition) {
                _ = try await shim.create("late", in: sandbox, config, image: engine.image, script: "true")
            }
        }
    }

    @Test func `a command that takes too long is killed with all it started`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig()
            let sandbox = try await shim.runSandbox(config)
            let container = try await shim.create(
                "main", in: sandbox, config, image: engine.image, script: "exec sleep 1000")
            try await shim.start(container)
            await expectStatus(.deadlineExceeded) {
                let _: CRI.ExecSyncResponse = try await shim.call(CRI.RuntimeService.execSync) {
                    $0.containerId = container
                    $0.cmd = ["/bin/sh", "-c", "sleep 4321 & sleep 4322; true"]
                    $0.timeout = 1
                }
            }
            let left = String(decoding: try await shim.exec(container, "ps").stdout, as: UTF8.self)
            #expect(!left.contains("432"), "\(left)")
            #expect(try await shim.status(container).state == .containerRunning)
        }
    }

    @Test func `when the pause container dies the sandbox is not ready`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let sandbox = try await shim.runSandbox(shim.sandboxConfig())
            let events = try shim.client.stream(
                CRI.RuntimeService.getContainerEvents, .init(), timeout: .seconds(60))
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
            for pause in try await engine.containers(ofShimIn: shim.directory) { try await engine.kill(pause) }
            for try await event in events
            where event.containerId == sandbox && event.containerEventType == .containerStoppedEvent { break }
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxNotready)
        }
    }
}

func expectStatus(
    _ code: RPCError.Code, _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
) async {
    do {
        try await body()
        Issue.record("no error, expected \(code)", sourceLocation: sourceLocation)
    } catch let error as RPCError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error), expected \(code)", sourceLocation: sourceLocation)
    }
}
