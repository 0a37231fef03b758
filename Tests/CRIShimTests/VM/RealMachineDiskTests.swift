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

/// A real machine on a small file system that fills up.
@Suite(
    .enabled(
        if: LinuxGuest.canRun && LoopFileSystem.canRun,
        "skipped, because a file system of its own needs root and loop devices"))
struct RealMachineDiskTests {
    private static let image = "localhost/linux-guest:latest"

    private static func condition(_ shim: ShimHarness) async throws -> CRI.RuntimeCondition {
        let status = try await shim.call(CRI.RuntimeService.status) { $0.verbose = true }.status
        return try #require(status?.conditions.first { $0.type == CRIService.diskCondition })
    }

    @Test(.timeLimit(.minutes(8)))
    func `a disk that fills up: first no new machine, then a pause, and all goes on after`()
        async throws
    {
        let guest = try await LinuxGuest.made()
        try await LoopFileSystem.with(["mkfs.ext4", "-q", "-m", "0"], size: 2 << 30) { mount in
            try await ShimHarness.with(
                docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"), directory: mount + "/s",
                configure: {
                    $0.stateDirectory = $0.rootDirectory + "/s"
                    $0.diskReserve = .bytes(500 << 20)
                }
            ) { shim in
                let store = ImageStore(
                    directory: shim.configuration.rootDirectory + "/images", logger: Logger(label: "images"))
                var request = ImageImport(
                    name: Self.image, os: .linux, architecture: HostArchitecture.name,
                    boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
                    disks: [guest.disk])
                request.login = .init(user: guest.user, keyFile: guest.privateKeyFile)
                request.memoryBytes = 256 << 20
                _ = try store.importImage(request)
                #expect(try await Self.condition(shim).status)

                let config = shim.sandboxConfig("disk")
                let sandbox = try await shim.runSandbox(config, handler: "vm")
                let id = try await shim.create("main", in: sandbox, config, image: Self.image, script: "") {
                    $0.command = []
                }
                try await Self.start(id, shim)
                try await Self.run(id, shim, "true")

                // Below the reserve.
                try await Self.fill(mount, leaving: 300 << 20)
                try await eventually("Status says so") { try await !Self.condition(shim).status }
                #expect(try await Self.condition(shim).reason == "DiskPressure")
                let refusal = await #expect(throws: RPCError.self) { () async throws in
                    _ = try await shim.create("b", in: sandbox, config, image: Self.image, script: "true")
                }
                #expect(refusal?.code == .resourceExhausted)
                #expect(refusal?.message.contains("DiskPressure: ") == true, "\(String(describing: refusal))")
                try await Self.run(id, shim, "true")

                // Far below.
                let machine = try shim.shim.machines.machine(id)
                try await Self.fill(mount, leaving: 50 << 20)
                try await eventually("the machine stands still") { machine.status?.isPaused == true }
                #expect(try await Self.condition(shim).reason == "DiskFull")
                let verbose = try await shim.call(CRI.RuntimeService.status) { $0.verbose = true }.info["machines"]
                #expect(verbose?.contains(id) == true, "\(verbose ?? "")")
                #expect(try await shim.status(id).state == .containerRunning, "it is still the pod's container")

                // A little is not enough, plenty is.
                try await Self.fill(mount, leaving: 150 << 20)
                try await Task.sleep(for: .seconds(7))
                #expect(machine.status?.isPaused == true)
                try await Self.fill(mount, leaving: 900 << 20)
                try await eventually("it goes on") { machine.status?.isPaused != true }
                #expect(try await Self.condition(shim).status)
                try await Self.run(id, shim, "echo on >/data/on; sync")
                let second = try await shim.create("b", in: sandbox, config, image: Self.image, script: "true")
                #expect(!second.isEmpty)
            }
        }
    }

    /// Makes one file so large that just so much is free.
    private static func fill(_ mount: String, leaving bytes: UInt64) async throws {
        let filler = mount + "/filler"
        unlink(filler)
        var status = statvfs()
        try #require(statvfs(mount, &status) == 0)
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        try #require(free > bytes)
        try await Command.checked("fallocate", ["-l", "\(free - bytes)", filler])
    }

    private static func start(_ id: String, _ shim: ShimHarness) async throws {
        _ = try await shim.client.call(
            CRI.RuntimeService.startContainer, .init { $0.containerId = id }, timeout: .seconds(150))
    }

    private static func run(_ id: String, _ shim: ShimHarness, _ script: String) async throws {
        let outcome = try await shim.client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = ["/bin/sh", "-c", script]
            }, timeout: .seconds(300))
        #expect(outcome.exitCode == 0)
    }
}
