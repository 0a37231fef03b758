import Logging
import Processes
import Proto
import RPC
import Sockets
import Support
import Testing
import VMImages
import VZEngine

@testable import CRIShim

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What can be done with a machine that runs, by CRI calls, with a real guest and no container engine.
@Suite(.serialized, .enabled(if: LinuxGuest.canRun, "skipped, because no Linux guest can be made or booted here"))
struct RealMachineOperationTests {
    private static let image = "localhost/linux-guest:latest"

    private static func with(_ body: @Sendable @escaping (ShimHarness) async throws -> Void) async throws {
        let guest = try await LinuxGuest.made()
        try await ShimHarness.with(
            docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"),
            configure: {
                $0.stateDirectory = $0.rootDirectory + "/s"
                $0.vmSlots = 4
            }
        ) { shim in
            let store = ImageStore(
                directory: shim.configuration.rootDirectory + "/images", logger: Logger(label: "images"))
            var request = ImageImport(
                name: image, os: .linux, architecture: HostArchitecture.name,
                boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
                disks: [guest.disk])
            request.login = .init(user: guest.user, keyFile: guest.privateKeyFile)
            request.memoryBytes = 256 << 20
            _ = try store.importImage(request)
            try await body(shim)
        }
    }

    private static func machine(
        _ name: String, in sandbox: String, _ config: CRI.PodSandboxConfig, _ shim: ShimHarness,
        image: String = image
    ) async throws -> String {
        let id = try await shim.create(name, in: sandbox, config, image: image, script: "") { $0.command = [] }
        _ = try await shim.client.call(
            CRI.RuntimeService.startContainer, .init { $0.containerId = id }, timeout: .seconds(150))
        return id
    }

    @discardableResult
    private static func run(_ id: String, _ shim: ShimHarness, _ script: String) async throws -> String {
        let outcome = try await shim.client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = ["/bin/sh", "-c", script]
            }, timeout: .seconds(300))
        return String(decoding: outcome.stdout, as: UTF8.self)
    }

    @Test(.timeLimit(.minutes(8))) func `what machines use is told at once, also when one of them does not answer`()
        async throws
    {
        try await Self.with { shim in
            let config = shim.sandboxConfig("stats")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let first = try await Self.machine("first", in: sandbox, config, shim)
            let second = try await Self.machine("second", in: sandbox, config, shim)
            for id in [first, second] { try await Self.run(id, shim, "true") }
            func all() async throws -> [CRI.ContainerStats] {
                try await shim.call(CRI.RuntimeService.listContainerStats) { (_: inout CRI.ListContainerStatsRequest) in
                }.stats
            }
            let before = try await all()
            #expect(before.map(\.attributes?.id) == [first, second])
            for stats in before {
                #expect((stats.cpu?.usageCoreNanoSeconds?.value ?? 0) > 100_000_000)
                #expect((stats.memory?.workingSetBytes?.value ?? 0) > 32 << 20)
                #expect((stats.writableLayer?.usedBytes?.value ?? 0) > 0)
            }
            let pod = try #require(
                try await shim.call(CRI.RuntimeService.podSandboxStats) { $0.podSandboxId = sandbox }.stats?.linux)
            if geteuid() == 0 {
                #expect(pod.network?.defaultInterface?.name == "eth0")
            }
            #expect(pod.containers.count == 2)

            let supervisor = try #require(try shim.shim.machines.machine(first).supervisor)
            let emulator = try #require(try shim.shim.machines.machine(second).status?.processes.first)
            for process in [supervisor, emulator] {
                kill(process.id, SIGSTOP)
                defer { kill(process.id, SIGCONT) }
                let start = ContinuousClock.now
                let stopped = try await all()
                #expect(ContinuousClock.now - start < .seconds(25), "a supervisor is waited for longer than that")
                #expect(stopped.map(\.attributes?.id) == [first, second])
                for (now, then) in zip(stopped, before) {
                    #expect((now.cpu?.timestamp ?? 0) >= (then.cpu?.timestamp ?? .max))
                    #expect((now.memory?.workingSetBytes?.value ?? 0) > 32 << 20)
                }
            }
            try await Self.run(second, shim, "true")
        }
    }

    @Test(.timeLimit(.minutes(8))) func `a guest gives memory back, and its status says what it has`() async throws {
        try await Self.with { shim in
            let config = shim.sandboxConfig("resize")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let id = try await Self.machine("main", in: sandbox, config, shim)
            try await Self.run(id, shim, "true")
            func resize(_ bytes: Int64) async throws {
                _ = try await shim.client.call(
                    CRI.RuntimeService.updateContainerResources,
                    .init {
                        $0.containerId = id
                        $0.linux = .init { $0.memoryLimitInBytes = bytes }
                    }, timeout: .seconds(60))
            }
            func free() async throws -> Int {
                let text = try await Self.run(id, shim, "awk '/MemFree/ {print $2}' /proc/meminfo")
                return try #require(Int(text.filter(\.isNumber)))
            }
            let whole = try await free()
            try await resize(160 << 20)
            #expect(try await shim.status(id).resources?.linux?.memoryLimitInBytes == 160 << 20)
            let less = try await free()
            #expect(less < whole - (64 << 10), "\(whole) KiB, then \(less)")
            try await resize(256 << 20)
            let again = try await free()
            #expect(again > less + (64 << 10), "\(less) KiB, then \(again)")
            await #expect(throws: (any Error).self) { () async throws in try await resize(512 << 20) }
        }
    }

    @Test(.timeLimit(.minutes(8))) func `what counts in a guest's memory counts on after the guest was restored`()
        async throws
    {
        try await Self.with { shim in
            let config = shim.sandboxConfig("checkpoint")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let id = try await Self.machine("main", in: sandbox, config, shim)
            try await Self.run(
                id, shim,
                """
                setsid sh -c 'i=0; while true; do i=$((i+1)); echo $i >/tmp/next && mv /tmp/next /tmp/count; usleep 20000; done' \
                    >/dev/null 2>&1 </dev/null &
                echo kept >/data/file; until [ -s /tmp/count ]; do usleep 10000; done
                """)
            let place = shim.directory + "/checkpoint"
            _ = try await shim.client.call(
                CRI.RuntimeService.checkpointContainer,
                .init {
                    $0.containerId = id
                    $0.location = place
                    $0.timeout = 120
                }, timeout: .seconds(150))
            let saved = try #require(Int(try await Self.run(id, shim, "cat /tmp/count").filter(\.isNumber)))
            #expect(try await shim.status(id).state == .containerRunning)

            let other = shim.sandboxConfig("restored")
            let restoredIn = try await shim.runSandbox(other, handler: "vm")
            let restored = try await Self.machine("main", in: restoredIn, other, shim, image: place)
            #expect(try await shim.status(restored).imageRef == shim.status(id).imageRef)
            let count = "cat /tmp/count"
            let first = try #require(Int(try await Self.run(restored, shim, count).filter(\.isNumber)))
            #expect(first > 0)
            try await eventually("it counts on", within: .seconds(60)) {
                (Int(try await Self.run(restored, shim, count).filter(\.isNumber)) ?? 0) > first
            }
            #expect(try await Self.run(restored, shim, "cat /data/file") == "kept\n")
            // Its clock is the host's.
            let clock = try #require(Int64(try await Self.run(restored, shim, "date +%s").filter(\.isNumber)))
            #expect(abs(clock - Timestamps.now() / 1_000_000_000) < 60)
            // The first one goes on, and neither knows of the other.
            let now = try #require(Int(try await Self.run(id, shim, count).filter(\.isNumber)))
            #expect(now > saved)
            // What is restored may have a command of its own, whose code and output are its container's.
            let job = try await shim.create(
                "job", in: restoredIn, other, image: Self.image,
                script: "[ $(cat /tmp/count) -gt 0 ] && cat /data/file; exit 7"
            ) { $0.annotations = [MachineCheckpoint.annotation: place] }
            _ = try await shim.client.call(
                CRI.RuntimeService.startContainer, .init { $0.containerId = job }, timeout: .seconds(150))
            try await eventually("the job ends", within: .seconds(120)) {
                try await shim.status(job).state == .containerExited
            }
            let ended = try await shim.status(job)
            #expect(ended.exitCode == 7, "\(ended.reason) \(ended.message)")
            #expect(try shim.log(ended) == ["stdout F kept"])
            for sandbox in [sandbox, restoredIn] {
                _ = try await shim.client.call(
                    CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox }, timeout: .seconds(60))
            }
            #expect(try RootDirectory.entries(of: shim.configuration.rootDirectory + "/machines").isEmpty)
        }
    }
}
