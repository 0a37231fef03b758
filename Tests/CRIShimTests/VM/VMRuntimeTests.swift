import HostFiles
import Processes
import Proto
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

/// The life of machines as containers, over supervisors that are played.
@Suite struct VMRuntimeTests {
    @Test func `a machine is made, runs, ends with its code, and leaves nothing behind`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) {
                $0.envs = [
                    .init {
                        $0.key = "A"; $0.value = Array("b".utf8)
                    }
                ]
            }
            #expect(try bench.container(id).phase == .created)
            #expect(bench.slots.snapshot.taken(.linux) == 1)
            try await bench.start(id)
            let running = try bench.container(id)
            #expect(running.phase == .running)
            #expect(running.startedAt >= running.createdAt)
            #expect(try bench.store.sandbox(sandbox.id).machines == [id])

            let supervisor = try bench.supervisor(id)
            #expect(supervisor.config.main.command == ["/bin/job", "a b"])
            #expect(supervisor.config.main.environment == ["A": "b"])
            #expect(supervisor.config.network.namespace == "/some/netns")
            #expect(supervisor.config.disks.first?.path == bench.directory + "/r/machines/\(id)/disk0.raw")
            #expect(bench.supervisors.launches.withLock { $0.map(\.namespace) } == ["/some/netns"])

            await supervisor.end(code: 42)
            let ended = try await bench.ended(id)
            #expect(ended.exitCode == 42)
            #expect(ended.startedAt == running.startedAt)
            #expect(ended.finishedAt >= ended.startedAt)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
            #expect(try bench.store.sandbox(sandbox.id).machines.isEmpty)
            #expect(try bench.store.sandbox(sandbox.id).isReady, "a machine's end does not change its sandbox")
            #expect(bench.bundles == [id])
            #expect(
                try RootDirectory.read(bench.directory + "/r/machines/\(id)/disk0.raw") == nil, "the clone is dropped")
            #expect(bench.runDirectories.isEmpty)

            try await bench.remove(id)
            #expect(bench.bundles.isEmpty)
            #expect(try bench.store.containerIfPresent(id) == nil)
        }
    }

    @Test func `a kept disk stays until the container is removed`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: bench.sandbox()) { $0.annotations = [MachineOptions.keepDisk: "true"] }
            try await bench.start(id)
            try await bench.supervisor(id).end(code: 0, reason: "Completed")
            _ = try await bench.ended(id)
            #expect(try RootDirectory.read(bench.directory + "/r/machines/\(id)/disk0.raw") != nil)
            try await bench.remove(id)
            #expect(bench.bundles.isEmpty)
        }
    }

    @Test func `without a slot a container waits, and gets the one that a crash frees`() async throws {
        try await VMBench.with(slots: 1) { bench in
            let sandbox = try bench.sandbox()
            let first = try await bench.create(in: sandbox)
            try await bench.start(first)
            let error = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox, name: "second")
            }
            #expect(error?.code == .exhausted)
            #expect(error?.message.hasPrefix("WaitingForVMSlot:") == true)
            #expect(bench.bundles == [first])
            await (try bench.supervisor(first)).crash()
            let ended = try await bench.ended(first)
            #expect(ended.exitCode == 255)
            #expect(ended.reason == "SupervisorLost")
            // Not at Remove: as soon as its end is seen.
            _ = try await bench.create(in: sandbox, name: "second")
        }
    }

    @Test func `a start that fails is an end with the supervisor's own words`() async throws {
        try await VMBench.with { bench in
            bench.supervisors.behaviour.withLock { $0.failure = "port 80 of the pod is taken" }
            let id = try await bench.create(in: bench.sandbox())
            let error = await #expect(throws: ShimError.self) { try await bench.start(id) }
            #expect(error?.message.contains("port 80 of the pod is taken") == true)
            let ended = try bench.container(id)
            #expect(ended.phase == .exited)
            #expect(ended.exitCode == 128)
            #expect(ended.reason == "StartError")
            #expect(bench.slots.snapshot.taken(.linux) == 0)
        }
    }

    @Test func `a machine without an address in time is ended`() async throws {
        try await VMBench.with(configure: { $0.startLimit = .milliseconds(300) }) { bench in
            bench.supervisors.behaviour.withLock { $0.hangs = true }
            let id = try await bench.create(in: bench.sandbox())
            await #expect(throws: ShimError.self) { try await bench.start(id) }
            let ended = try bench.container(id)
            #expect(ended.exitCode == 128)
            #expect(ended.message.hasPrefix("NoAddress"))
            #expect(bench.slots.snapshot.taken(.linux) == 0)
        }
    }

    @Test func `stopping passes the grace on and returns when it has ended`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: bench.sandbox())
            try await bench.start(id)
            try await bench.stop(id, 7)
            #expect(try bench.container(id).exitCode == 143)
            #expect(try bench.supervisor(id).stopped.withLock { $0 } == [7])
            try await bench.stop(id, 7)
        }
    }

    @Test func `a supervisor that does not react to a stop is killed with its machine`() async throws {
        try await VMBench.with(configure: { $0.stopLimit = .milliseconds(500) }) { bench in
            bench.supervisors.behaviour.withLock { $0.isDeaf = true }
            let id = try await bench.create(in: bench.sandbox())
            try await bench.start(id)
            try await bench.stop(id, 0)
            let ended = try bench.container(id)
            #expect(ended.exitCode == 137)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
        }
    }

    @Test func `a machine that never ran can be removed, and its slot is free`() async throws {
        try await VMBench.with(slots: 1) { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox)
            try await bench.remove(id)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
            #expect(bench.bundles.isEmpty)
            let next = try await bench.create(in: sandbox)
            try await bench.start(next)
            // Removal ends what runs.
            try await bench.remove(next)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
            #expect(bench.bundles.isEmpty && bench.runDirectories.isEmpty)
        }
    }

    @Test func `what cannot work leaves nothing behind`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let missing = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox) { $0.image = .init { $0.image = "localhost/other:1" } }
            }
            #expect(missing?.code == .notFound)
            await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox) { $0.annotations = [MachinePorts.annotation: "{"] }
            }
            await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox) {
                    $0.mounts = [
                        .init {
                            $0.hostPath = "/dev/null"; $0.containerPath = "/x"
                        }
                    ]
                }
            }
            #expect(bench.bundles.isEmpty)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
        }
    }

    @Test func `a mounted file is staged alone, and a missing directory is made`() async throws {
        try await VMBench.with { bench in
            try AtomicFile.write(Array("secret".utf8), to: bench.directory + "/token", mode: 0o600)
            let id = try await bench.create(in: bench.sandbox()) { config in
                config.mounts = [
                    .init {
                        $0.hostPath = bench.directory + "/token"
                        $0.containerPath = "/etc/token"
                        $0.readonly = true
                    },
                    .init {
                        $0.hostPath = bench.directory + "/new"
                        $0.containerPath = "/new"
                    },
                ]
            }
            let files = bench.directory + "/r/machines/\(id)/files"
            #expect(try RootDirectory.entries(of: files + "/0") == ["token"])
            #expect(try RootDirectory.read(files + "/0/token") == Array("secret".utf8))
            #expect(try HostFileKinds.kind(bench.directory + "/new") == .directory)
            try await bench.remove(id)
            #expect(try RootDirectory.read(bench.directory + "/token") == Array("secret".utf8))
        }
    }

    @Test func `commands run, and errors say what the CRI wants to hear`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: bench.sandbox())
            try await bench.start(id)
            let container = try bench.container(id)
            let outcome = try await bench.runtime.execSync(container, command: ["a", "b c"], timeout: 5)
            #expect(String(decoding: outcome.stdout, as: UTF8.self) == "a|b c")
            #expect(String(decoding: outcome.stderr, as: UTF8.self) == "err")
            #expect(outcome.exitCode == 42)
            let booting = await #expect(throws: ShimError.self) {
                _ = try await bench.runtime.execSync(container, command: ["boot"], timeout: 1)
            }
            #expect(booting?.code == .unavailable)
            #expect(booting?.message.hasPrefix("GuestBooting") == true)
            let late = await #expect(throws: ShimError.self) {
                _ = try await bench.runtime.execSync(container, command: ["late"], timeout: 1)
            }
            #expect(late?.code == .deadline)
            try await bench.runtime.reopenLog(container)
            #expect(try bench.supervisor(id).reopened.withLock { $0 } == 1)
            await #expect(throws: ShimError.self) {
                try await bench.runtime.updateResources(container, .init { $0.cpuQuota = 5 })
            }
            try await bench.runtime.updateResources(container, .init())
        }
    }
}
