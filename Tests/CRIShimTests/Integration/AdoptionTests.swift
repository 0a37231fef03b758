import Proto
import RPC
import Sockets
import Support
import Testing

@testable import CRIShim

/// What a shim finds when it starts: its own pods, and what a crash left.
@Suite(.serialized, .enabled(if: TestEngine.isPossible, DockerEngine.skipReason)) struct AdoptionTests {
    @Test func `a restart changes nothing and no log line is lost or doubled`() async throws {
        let engine = try await TestEngine.shared()
        let directory = "/tmp/vzcri-\(Identifiers.hex(8))"
        let made = Made()
        try await ShimHarness.with(docker: engine.endpoint, directory: directory, keep: true) { shim in
            let config = shim.sandboxConfig()
            made.sandbox = try await shim.runSandbox(config)
            made.container = try await shim.create(
                "main", in: made.sandbox, config, image: engine.image,
                script:
                    "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.01; done; exit 7"
            )
            made.short = try await shim.create(
                "short", in: made.sandbox, config, image: engine.image, script: "sleep 1; exit 9")
            try await shim.start(made.container)
            try await shim.start(made.short)
            made.before = try await shim.status(made.container)
            made.pod = try await shim.sandboxStatus(made.sandbox)
        }
        // Both end while nobody looks, or with the next shim looking: either way their codes arrive.
        try await ShimHarness.with(docker: engine.endpoint, directory: directory) { shim in
            #expect(try await shim.sandboxStatus(made.sandbox) == made.pod)
            let after = try await shim.status(made.container)
            #expect(after.startedAt == made.before?.startedAt)
            #expect(after.createdAt == made.before?.createdAt)
            let ended = try await shim.ended(made.container)
            #expect(ended.exitCode == 7)
            // On a machine that is very busy the log may be complete a moment after the end is told.
            let lines = (0..<3000).map { "stdout F \($0)" }
            try await eventually("the log has every line") { try shim.log(ended).count >= lines.count }
            #expect(try shim.log(ended) == lines)
            #expect(try await shim.ended(made.short).exitCode == 9)
        }
    }

    @Test func `what a crash left is removed or shown as not ready`() async throws {
        let engine = try await TestEngine.shared()
        let directory = "/tmp/vzcri-\(Identifiers.hex(8))"
        let instance: String
        var record = SandboxRecord()
        do {
            let root = try RootDirectory(path: directory + "/root")
            instance = root.instance
            record.id = Identifiers.sandbox()
            record.runtime = "docker"
            record.metadata = .init(name: "half", namespace: "default", uid: "u", attempt: 0)
            try await root.save(record)
        }
        // A pause container of a sandbox nobody knows, and a helper that never ran.
        let orphan = try await engine.createContainer(labels: [
            DockerLabels.instance: instance, DockerLabels.kind: "pause", DockerLabels.sandbox: Identifiers.sandbox(),
        ])
        let foreign = try await engine.createContainer(labels: [
            DockerLabels.instance: "another", DockerLabels.kind: "pause", DockerLabels.sandbox: Identifiers.sandbox(),
        ])
        let half = record.id
        try await ShimHarness.with(docker: engine.endpoint, directory: directory) { shim in
            #expect(try await shim.sandboxStatus(half).state == .sandboxNotready)
            let present = try await engine.containers()
            #expect(!present.contains(orphan))
            #expect(present.contains(foreign), "another shim's objects are not ours")
        }
        try await engine.remove(foreign)
    }

    @Test func `without an engine the shim serves and says what is wrong`() async throws {
        try await ShimHarness.with(
            docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"), keep: false,
            configure: { $0.vmHostPath = "/nonexistent/vm-host" }
        ) { shim in
            let status: CRI.StatusResponse = try await shim.call(CRI.RuntimeService.status)
            let ready = try #require(status.status?.conditions.first { $0.type == "RuntimeReady" })
            #expect(!ready.status)
            #expect(ready.reason == "DockerUnreachable")
            #expect(ready.message.contains("/tmp/no-engine-"))
            await expectStatus(.unavailable) { _ = try await shim.runSandbox(shim.sandboxConfig(), handler: "docker") }
            // The empty handler makes a record, which the next shim shows again.
            let sandbox = try await shim.runSandbox(shim.sandboxConfig())
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
            #expect(try await shim.sandboxStatus(sandbox).network == nil)
            // What is not Docker's is there, and what is Docker's is not known.
            let images: CRI.ListImagesResponse = try await shim.call(CRI.ImageService.listImages)
            #expect(images.images.isEmpty)
            await expectStatus(.unavailable) {
                let _: CRI.ImageStatusResponse = try await shim.call(CRI.ImageService.imageStatus) {
                    $0.image = .init { $0.image = "busybox" }
                }
            }
            let _: CRI.ImageFsInfoResponse = try await shim.call(CRI.ImageService.imageFsInfo)
        }
    }

    private final class Made: @unchecked Sendable {  // one closure writes, a later one reads
        var sandbox = ""
        var container = ""
        var short = ""
        var before: CRI.ContainerStatus?
        var pod: CRI.PodSandboxStatus?
    }
}
