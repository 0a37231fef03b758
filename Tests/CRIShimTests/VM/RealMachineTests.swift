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

/// Machines under the system's engine, by CRI calls, with no container engine anywhere.
@Suite(.serialized, .enabled(if: LinuxGuest.canRun, "skipped, because no Linux guest can be made or booted here"))
struct RealMachineTests {
    static let image = "localhost/linux-guest:latest"

    private static func with(
        directory: String? = nil, keep: Bool = false, _ body: @Sendable @escaping (ShimHarness) async throws -> Void
    ) async throws {
        let guest = try await LinuxGuest.made()
        try await ShimHarness.with(
            docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"), directory: directory, keep: keep,
            configure: { $0.stateDirectory = $0.rootDirectory + "/s" }
        ) { shim in
            let root = shim.configuration.rootDirectory
            let store = ImageStore(directory: root + "/images", logger: Logger(label: "images"))
            var request = ImageImport(
                name: image, os: .linux, architecture: HostArchitecture.name,
                boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
                disks: [guest.disk])
            request.login = .init(user: guest.user, keyFile: guest.privateKeyFile)
            _ = try store.importImage(request)
            try await body(shim)
        }
    }

    @Test(.timeLimit(.minutes(8))) func `a machine runs its command to the end, and its code is the container's`()
        async throws
    {
        try await Self.with { shim in
            let config = shim.sandboxConfig("job")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let pod = try await shim.sandboxStatus(sandbox)
            #expect(pod.state == .sandboxReady)
            #expect(pod.network?.ip.isEmpty == false)
            let share = shim.directory + "/share"
            try RootDirectory.makeDirectory(share, mode: 0o777)
            let id = try await shim.create(
                "main", in: sandbox, config, image: Self.image,
                script:
                    "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; echo $WORD > /share/said; exit 42"
            ) {
                $0.envs = [
                    .init {
                        $0.key = "WORD"; $0.value = Array("a b".utf8)
                    }
                ]
                $0.mounts = [
                    .init {
                        $0.hostPath = share; $0.containerPath = "/share"
                    }
                ]
            }
            try await shim.start(id)
            #expect(try await shim.status(id).state == .containerRunning)
            let ended = try await Self.ended(id, shim)
            #expect(ended.exitCode == 42)
            #expect(try shim.log(ended) == (0..<1000).map { "stdout F line \($0)" })
            #expect(try RootDirectory.read(share + "/said").map { String(decoding: $0, as: UTF8.self) } == "a b\n")
            #expect(try await shim.sandboxStatus(sandbox).network == pod.network)
            try await Self.remove(sandbox, shim)
        }
    }

    @Test(.timeLimit(.minutes(8))) func `commands run in a guest that is its own container, and it stops kindly`()
        async throws
    {
        try await Self.with { shim in
            let config = shim.sandboxConfig("guest")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let id = try await shim.create("main", in: sandbox, config, image: Self.image, script: "") {
                $0.command = []
            }
            try await shim.start(id)
            // With no limit it waits until the guest is there.
            let outcome = try await Self.exec(id, shim, ["printf", "%s|", "a b", "$HOME", ""])
            #expect(String(decoding: outcome.stdout, as: UTF8.self) == "a b|$HOME||")
            #expect(outcome.exitCode == 0)
            #expect(try await Self.exec(id, shim, ["/bin/sh", "-c", "exit 7"]).exitCode == 7)
            _ = try await shim.client.call(
                CRI.RuntimeService.stopContainer,
                .init {
                    $0.containerId = id
                    $0.timeout = 60
                }, timeout: .seconds(120))
            let ended = try await shim.status(id)
            #expect(ended.state == .containerExited)
            #expect(ended.exitCode == 143)
            try await Self.remove(sandbox, shim)
        }
    }

    private final class Made: @unchecked Sendable {  // one closure writes, a later one reads
        var sandbox = ""
        var container = ""
        var before: CRI.ContainerStatus?
        var pod: CRI.PodSandboxStatus?
    }

    @Test(.timeLimit(.minutes(8))) func `a machine goes on without its shim, and no line of it is lost`() async throws {
        let directory = "/tmp/vzcri-\(Identifiers.hex(8))"
        let made = Made()
        try await Self.with(directory: directory, keep: true) { shim in
            let config = shim.sandboxConfig("long")
            made.sandbox = try await shim.runSandbox(config, handler: "vm")
            made.container = try await shim.create(
                "main", in: made.sandbox, config, image: Self.image,
                script:
                    "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep 0.3; done; exit 42"
            )
            try await shim.start(made.container)
            made.before = try await shim.status(made.container)
            made.pod = try await shim.sandboxStatus(made.sandbox)
        }
        try await Self.with(directory: directory) { shim in
            let after = try await shim.status(made.container)
            #expect(after.startedAt == made.before?.startedAt)
            #expect(try await shim.sandboxStatus(made.sandbox).network == made.pod?.network)
            let ended = try await Self.ended(made.container, shim)
            #expect(ended.exitCode == 42)
            #expect(try shim.log(ended) == (0..<1000).map { "stdout F \($0)" })
            try await Self.remove(made.sandbox, shim)
        }
    }

    @Test(.timeLimit(.minutes(8))) func `a supervisor that is killed takes its machine with it, and the slot is free`()
        async throws
    {
        try await Self.with { shim in
            let config = shim.sandboxConfig("lost")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let id = try await shim.create("main", in: sandbox, config, image: Self.image, script: "sleep 1000")
            try await shim.start(id)
            let machine = try shim.shim.machines.machine(id)
            let processes = machine.processes
            #expect(processes.count > 1)
            #expect(processes.filter(\.isAlive) == processes)
            machine.supervisor?.kill()
            let ended = try await Self.ended(id, shim)
            #expect(ended.exitCode == 255)
            #expect(ended.reason == "SupervisorLost")
            #expect(processes.filter(\.isAlive).isEmpty)
            #expect(shim.shim.machines.slots.snapshot.taken(.linux) == 0)
            try await Self.remove(sandbox, shim)
        }
    }

    private static func exec(_ id: String, _ shim: ShimHarness, _ command: [String]) async throws
        -> CRI.ExecSyncResponse
    {
        try await shim.client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = command
            }, timeout: .seconds(300))
    }

    /// An emulated machine takes its time.
    private static func ended(_ id: String, _ shim: ShimHarness) async throws -> CRI.ContainerStatus {
        let events = try shim.client.stream(CRI.RuntimeService.getContainerEvents, .init(), timeout: .seconds(300))
        let now = try await shim.status(id)
        if now.state == .containerExited { return now }
        for try await event in events where event.containerId == id {
            if event.containerEventType == .containerStoppedEvent { break }
        }
        return try await shim.status(id)
    }

    /// Nothing of a machine is left when its sandbox is gone.
    private static func remove(_ sandbox: String, _ shim: ShimHarness) async throws {
        _ = try await shim.client.call(
            CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox }, timeout: .seconds(60))
        let root = shim.configuration.rootDirectory
        #expect(try RootDirectory.entries(of: root + "/machines").isEmpty)
        #expect(try RootDirectory.entries(of: shim.configuration.stateDirectory + "/m").isEmpty)
        #expect(try RootDirectory.entries(of: shim.configuration.stateDirectory + "/netns").isEmpty)
    }
}
