import Proto
import Support
import Synchronization
import Testing
import VMImages
import VZEngine

@testable import CRIShim

/// What is done with machines that run, over supervisors that are played.
@Suite struct VMOperationTests {
    private func statistics(_ bench: VMBench) -> ContainerStatistics {
        ContainerStatistics(
            store: bench.store, runtimes: Runtimes(standard: FakeHolder(store: bench.store), machines: bench.runtime))
    }

    private func reachable(_ bench: VMBench, _ id: String) async throws {
        let machine = try bench.runtime.machine(id)
        try await eventually("its guest is reachable") { machine.status?.isReachable == true }
    }

    // MARK: Statistics

    @Test func `a machine that says nothing delays nobody, and what is known of it stays`() async throws {
        try await VMBench.with { bench in
            bench.supervisors.behaviour.withLock { $0.isReachable = true }
            let sandbox = try bench.sandbox()
            var ids: [String] = []
            for name in ["a", "b", "c"] {
                let id = try await bench.create(in: sandbox, name: name)
                try await bench.start(id)
                try await reachable(bench, id)
                ids.append(id)
            }
            let statistics = statistics(bench)
            let before = try await statistics.containers(matching: nil)
            #expect(before.map(\.attributes?.id) == ids)
            for stats in before {
                #expect((stats.memory?.workingSetBytes?.value ?? 0) > 0)
                #expect(stats.cpu?.usageCoreNanoSeconds != nil)
                #expect(stats.memory?.availableBytes?.value == 77 << 20)
                #expect(stats.writableLayer?.fsId?.mountpoint == bench.directory + "/r/machines")
                #expect(stats.writableLayer?.inodesUsed?.value == 1)
            }
            try bench.supervisor(ids[1]).isMute.withLock { $0 = true }
            let start = ContinuousClock.now
            let after = try await statistics.containers(matching: nil)
            #expect(ContinuousClock.now - start < .seconds(20), "600 s would be its supervisor's")
            #expect(after.count == 3)
            #expect(after[1].memory?.availableBytes?.value == 77 << 20, "the last that is known")
            #expect((after[0].cpu?.timestamp ?? 0) > (before[0].cpu?.timestamp ?? 0))
            #expect((after[2].cpu?.timestamp ?? 0) > (before[2].cpu?.timestamp ?? 0))
        }
    }

    @Test func `statistics are of the containers that were asked for; one that has ended has its disk only`()
        async throws
    {
        try await VMBench.with { bench in
            let (one, other) = (try bench.sandbox(), try bench.sandbox { $0.labels = ["a": "b"] })
            let first = try await bench.create(in: one) { $0.labels = ["x": "1"] }
            let second = try await bench.create(in: other)
            try await bench.start(first)
            let statistics = statistics(bench)
            let labelled = try await statistics.containers(matching: .init { $0.labelSelector = ["x": "1"] })
            #expect(labelled.map(\.attributes?.id) == [first])
            let inOther = try await statistics.containers(matching: .init { $0.podSandboxId = other.id })
            #expect(inOther.map(\.attributes?.id) == [second])
            #expect(inOther[0].cpu == nil && inOther[0].writableLayer != nil, "it does not run")

            let pods = try await statistics.sandboxes(matching: .init { $0.labelSelector = ["a": "b"] })
            #expect(pods.map(\.attributes?.id) == [other.id])
            let pod = try await statistics.sandbox(one.id)
            #expect(pod.linux?.containers.map(\.attributes?.id) == [first])
            #expect((pod.linux?.memory?.workingSetBytes?.value ?? 0) > 0)
            #expect((pod.linux?.process?.processCount?.value ?? 0) > 0)

            await (try bench.supervisor(first)).end(code: 0)
            _ = try await bench.ended(first)
            #expect(try await statistics.containers(matching: nil).map(\.attributes?.id) == [second])
            #expect(try await statistics.container(first).cpu == nil)
            await #expect(throws: ShimError.self) { _ = try await statistics.container("nothing") }
        }
    }

    @Test func `machines have metrics too, of what is known of them`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox { $0.metadata = .init(name: "web", namespace: "ci", uid: "u") }
            let id = try await bench.create(in: sandbox)
            try await bench.start(id)
            let metrics = try #require(await statistics(bench).metrics().first { $0.podSandboxId == sandbox.id })
            let machine = try #require(metrics.containerMetrics.first { $0.containerId == id })
            let names = Set(machine.metrics.map(\.name))
            #expect(
                names.isSuperset(of: [
                    "container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
                    "container_fs_usage_bytes", "container_processes", "container_start_time_seconds",
                ]))
            #expect(!names.contains("container_memory_cache"), "nobody knows it")
            #expect(machine.metrics.allSatisfy { $0.labelValues.contains("ci") && $0.labelValues.contains("web") })
        }
    }

    // MARK: Resources

    @Test func `a machine gives memory back and gets it again; its status says so, also to the next shim`()
        async throws
    {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) {
                $0.linux = .init {
                    $0.resources = .init {
                        $0.memoryLimitInBytes = 512 << 20; $0.cpuShares = 1024
                    }
                }
            }
            let early = await #expect(throws: ShimError.self) {
                try await bench.runtime.updateResources(
                    bench.container(id), .init { $0.memoryLimitInBytes = 256 << 20 })
            }
            #expect(early?.code == .wrongState)
            try await bench.start(id)
            let container = try bench.container(id)
            try await bench.runtime.updateResources(container, .init { $0.memoryLimitInBytes = 256 << 20 })
            #expect(try bench.supervisor(id).operations.withLock { $0 } == ["setMemory 256"])
            #expect(try bench.container(id).status.resources?.linux?.memoryLimitInBytes == 256 << 20)
            #expect(try bench.container(id).status.resources?.linux?.cpuShares == 1024)
            for wrong: Int64 in [513 << 20, 1 << 20] {
                await #expect(throws: ShimError.self) {
                    try await bench.runtime.updateResources(container, .init { $0.memoryLimitInBytes = wrong })
                }
            }
            for change in [
                CRI.LinuxContainerResources { $0.cpuShares = 2048 }, .init { $0.cpuQuota = 5 },
                .init { $0.oomScoreAdj = 7 },
            ] {
                let error = await #expect(throws: ShimError.self) {
                    try await bench.runtime.updateResources(container, change)
                }
                #expect(error?.code == .unsupported)
            }
            #expect(try bench.supervisor(id).operations.withLock { $0.count } == 1)

            let next = try await bench.restarted(sandboxes: [bench.store.sandbox(sandbox.id)])
            #expect(try next.container(id).status.resources?.linux?.memoryLimitInBytes == 256 << 20)
            try await next.runtime.updateResources(next.container(id), .init { $0.memoryLimitInBytes = 512 << 20 })
            #expect(try next.container(id).status.resources?.linux?.memoryLimitInBytes == 512 << 20)
            await next.runtime.shutDown()
        }
    }

    @Test(.timeLimit(.minutes(2))) func `a guest that gives nothing back is no success, and nothing is changed`()
        async throws
    {
        try await VMBench.with { bench in
            bench.supervisors.behaviour.withLock { $0.hasBalloon = false }
            let id = try await bench.create(in: bench.sandbox())
            try await bench.start(id)
            let error = await #expect(throws: ShimError.self) {
                try await bench.runtime.updateResources(
                    bench.container(id), .init { $0.memoryLimitInBytes = 256 << 20 })
            }
            #expect(error?.message.contains("virtio_balloon") == true)
            #expect(try bench.supervisor(id).operations.withLock { $0 } == ["setMemory 256", "setMemory 512"])
            #expect(try bench.container(id).status.resources?.linux?.memoryLimitInBytes ?? 0 == 0)
        }
    }

    // MARK: Checkpoints

    @Test func `a checkpoint has all of a machine, which goes on; a container goes on from it, on this host only`()
        async throws
    {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) {
                $0.command = []
                $0.args = []
            }
            try await bench.start(id)
            let place = bench.directory + "/checkpoints/one.tar"
            try RootDirectory.makeDirectory(bench.directory + "/checkpoints", mode: 0o700)
            try await bench.runtime.checkpoint(bench.container(id), to: place, timeout: 30)
            let supervisor = try bench.supervisor(id)
            #expect(supervisor.operations.withLock { $0 } == ["pause", "save", "resume"])
            #expect(supervisor.status().isPaused == nil)
            #expect(try RootDirectory.entries(of: place).sorted() == ["checkpoint.json", "disk0", "state"])
            #expect(try RootDirectory.entries(of: bench.directory + "/checkpoints") == ["one.tar"])
            #expect(try CheckpointPins(root: bench.directory + "/r").digests() == [bench.container(id).record.imageID])
            let again = await #expect(throws: ShimError.self) {
                try await bench.runtime.checkpoint(bench.container(id), to: place, timeout: 0)
            }
            #expect(again?.code == .alreadyExists)

            for (name, image, annotations) in [
                ("image", place, [:]), ("annotation", "localhost/guest:1", [MachineCheckpoint.annotation: place]),
            ] {
                let restored = try await bench.create(in: sandbox, name: name) {
                    $0.image = .init { $0.image = image }
                    $0.annotations = annotations
                }
                let config = try bench.runtime.machine(restored).config
                #expect(config.restoreFrom == place + "/state")
                #expect(config.main.command == ["/bin/job", "a b"], "what is restored may have a command of its own")
                #expect(config.disks.first?.path.contains(restored) == true)
                let record = try bench.container(restored).record
                #expect(record.image.image == image)
                #expect(try record.imageID == bench.container(id).record.imageID)
            }
            // Another configuration.
            for change: @Sendable (inout CRI.ContainerConfig) -> Void in [
                { $0.linux = .init { $0.resources = .init { $0.memoryLimitInBytes = 1 << 30 } } },
                { $0.linux = .init { $0.resources = .init { $0.cpuQuota = 200_000 } } },
                {
                    $0.mounts = [
                        .init {
                            $0.hostPath = "/tmp"
                            $0.containerPath = "/x"
                        }
                    ]
                },
            ] {
                let error = await #expect(throws: ShimError.self) {
                    _ = try await bench.create(in: sandbox, name: "other") { config in
                        config.image = .init { $0.image = place }
                        change(&config)
                    }
                }
                #expect(error?.code == .invalidArgument)
            }
            // Another host.
            let file = place + "/checkpoint.json"
            let text = String(decoding: try #require(try RootDirectory.read(file)), as: UTF8.self)
            let host = try HostIdentity.current()
            try Array(text.replacing(host, with: "another").utf8).withUnsafeBytes { bytes in
                try #require(unlink(file) == 0)
                let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
                defer { close(descriptor) }
                try #require(write(descriptor, bytes.baseAddress, bytes.count) == bytes.count)
            }
            let foreign = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox, name: "foreign") { $0.image = .init { $0.image = place } }
            }
            #expect(foreign?.message.contains("another host") == true)
            let none = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox, name: "none") { $0.image = .init { $0.image = "/no/such" } }
            }
            #expect(none?.code == .notFound)
        }
    }

    @Test func `what cannot be saved is refused before anything is paused`() async throws {
        try await VMBench.with { bench in
            let withCommand = try await bench.create(in: bench.sandbox())
            try await bench.start(withCommand)
            let command = await #expect(throws: ShimError.self) {
                try await bench.runtime.checkpoint(
                    bench.container(withCommand), to: bench.directory + "/x", timeout: 0)
            }
            #expect(command?.code == .unsupported)
            let relative = await #expect(throws: ShimError.self) {
                try await bench.runtime.checkpoint(bench.container(withCommand), to: "x", timeout: 0)
            }
            #expect(relative?.code == .invalidArgument)
            #expect(try bench.supervisor(withCommand).operations.withLock { $0 }.isEmpty)
        }
    }

    // MARK: Standing still

    @Test func `a machine that two hold goes on when the second lets go; one that nobody holds any more is let go`()
        async throws
    {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox)
            try await bench.start(id)
            let machine = try bench.runtime.machine(id)
            let supervisor = try bench.supervisor(id)
            try await bench.runtime.hold(machine, for: .checkpoint)
            try await bench.runtime.hold(machine, for: .diskPressure)
            await bench.runtime.release(machine, from: .checkpoint)
            #expect(supervisor.operations.withLock { $0 } == ["pause"])
            await bench.runtime.release(machine, from: .diskPressure)
            await bench.runtime.release(machine, from: .diskPressure)
            #expect(supervisor.operations.withLock { $0 } == ["pause", "resume"])

            // Its shim is gone while it is held.
            try await bench.runtime.hold(machine, for: .diskPressure)
            let next = try await bench.restarted(sandboxes: [bench.store.sandbox(sandbox.id)])
            let same = try next.runtime.machine(id)
            try await eventually("its pause is known") { same.status?.isPaused == true }
            await next.runtime.letForgottenGo()
            #expect(supervisor.operations.withLock { $0.last } == "resume")
            await next.runtime.shutDown()
        }
    }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif
