import Foundation
import HTTP
import NIOConcurrencyHelpers
import NIOHTTP1
import Proto
import RPC
import RegistryDouble
import Support
import Testing

/// Machines that start before their image is here.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineLazyTests {
    private static let noiseSize = 64 << 20

    /// A registry with a guest that has a second disk of noise, of which all but the beginning is held back until it is
    /// let go.
    private struct Origin {
        var name: String
        /// What the second disk holds.
        var noise: String
        var isHeld: NIOLockedValueBox<Bool>
    }

    private func publish(
        _ guest: LinuxGuest, to registry: RegistryDouble, in directory: String
    ) async throws -> Origin {
        var random = SeededRandom(seed: 64)
        var content = Data(capacity: Self.noiseSize)
        while content.count < Self.noiseSize { withUnsafeBytes(of: random.next()) { content.append(contentsOf: $0) } }
        let origin = Origin(
            name: "\(registry.address)/team/guest:1", noise: directory + "/noise", isHeld: .init(true))
        try content.write(to: URL(filePath: origin.noise))
        for arguments in [
            [
                "import", "--name", origin.name, "--kernel", guest.kernel, "--initrd", guest.initrd, "--command-line",
                guest.commandLine, "--disk", guest.disk, "--disk", origin.noise, "--user", guest.user, "--cpus", "1",
                "--memory", "256Mi",
            ], ["push", origin.name],
        ] {
            let done = try await Programs.run(
                "cri-shim", ["image"] + arguments + ["--root", directory + "/maker", "--config", "/dev/null"])
            #expect(done.code == 0, "\(done.errors)")
        }
        registry.intercept { [isHeld = origin.isHeld] request in
            guard request.method == .GET, let range = request.headers.first(name: "range"),
                let start = Int64(range.dropFirst("bytes=".count).prefix { $0 != "-" }), start > 5 << 20
            else { return nil }
            while isHeld.withLockedValue({ $0 }) { try await Task.sleep(for: .milliseconds(20)) }
            return nil
        }
        return origin
    }

    private func pull(_ name: String, _ shim: ShimProcess, annotations: [String: String] = [:]) async throws -> String {
        let config = shim.sandboxConfig("pulls")
        return try await shim.client.call(
            CRI.ImageService.pullImage,
            .init {
                $0.image = .init { $0.image = name }
                $0.sandboxConfig = config
                $0.sandboxConfig?.annotations = annotations
            }, timeout: .seconds(60)
        ).imageRef
    }

    private func create(
        _ name: String, of image: String, in sandbox: String, _ config: CRI.PodSandboxConfig, _ shim: ShimProcess
    ) async throws -> String {
        try await shim.call(
            CRI.RuntimeService.createContainer,
            .init {
                $0.podSandboxId = sandbox
                $0.config = .init {
                    $0.metadata = .init { $0.name = name }
                    $0.image = .init { $0.image = image }
                    $0.logPath = name + ".log"
                }
                $0.sandboxConfig = config
            }
        ).containerId
    }

    private func sum(_ file: String, mebibyte: Int) -> [String] {
        ["sh", "-c", "dd if=\(file) bs=1048576 skip=\(mebibyte) count=1 2>/dev/null | md5sum"]
    }

    private func expected(_ origin: Origin, mebibyte: Int) async throws -> String {
        let command = sum(origin.noise, mebibyte: mebibyte)
        return try await ChildProcess.run("/bin/sh", Array(command.dropFirst())).output
    }

    private func servers(_ shim: ShimProcess) throws -> [Int32] {
        try Leftovers.processes(below: shim.directory + "/state").filter { $0.contains("image-server") }
            .compactMap { $0.split(separator: " ").first.flatMap { Int32($0) } }
    }

    private func images(_ shim: ShimProcess, _ arguments: String...) async throws -> ChildProcess.Outcome {
        try await Programs.run(
            "cri-shim",
            ["image"] + arguments
                + ["--root", shim.directory + "/state", "--config", shim.directory + "/config.yaml"])
    }

    /// All disks of the store, whatever they are.
    private func disks(_ shim: ShimProcess) throws -> [String] {
        let directory = shim.directory + "/state/images/disks/sha256"
        return try FileManager.default.contentsOfDirectory(atPath: directory).map { directory + "/" + $0 }
    }

    @Test
    func `a machine runs before its image is here, whoever is killed meanwhile; then the image is like any other`()
        async throws
    {
        let guest = try await LinuxGuest.made()
        let configuration = "shim:\n  lazyStart: true\n  sshKeyFile: \(guest.privateKeyFile)\n"
        try await RegistryDouble.run { registry in
            try await MachineHost.with(configuration: configuration) { shim in
                let origin = try await publish(guest, to: registry, in: shim.directory)
                let id = try await pull(origin.name, shim)
                let listed = try await shim.call(CRI.ImageService.listImages, .init()).images
                #expect(listed.contains { $0.id == id && $0.size > UInt64(Self.noiseSize) })
                let config = shim.sandboxConfig("lazy")
                let sandbox = try await shim.runSandbox(config, handler: "vm")
                let machine = try await create("guest", of: origin.name, in: sandbox, config, shim)
                try await shim.startContainer(machine)
                let first = try await shim.execute(machine, sum("/dev/vdb", mebibyte: 0))
                #expect(try await first.text == expected(origin, mebibyte: 0), "\(first.errorText)")

                // Whoever serves it dies while the guest waits; the next one goes on.
                let running = try #require(try servers(shim).first)
                let reading = Task { try await shim.execute(machine, sum("/dev/vdb", mebibyte: 40)) }
                kill(running, SIGKILL)
                try await eventually("another one serves") { try servers(shim).contains { $0 != running } }
                // So do the shim and the server at once.
                let others = try servers(shim)
                await shim.kill()
                for other in others { kill(other, SIGKILL) }
                _ = await reading.result
                try await shim.start()
                origin.isHeld.withLockedValue { $0 = false }
                for mebibyte in [40, 63, 7] {
                    let read = try await shim.execute(machine, sum("/dev/vdb", mebibyte: mebibyte))
                    #expect(try await read.text == expected(origin, mebibyte: mebibyte), "\(read.errorText)")
                }
                try await eventually("the image is whole", within: .seconds(120)) {
                    try await images(shim, "verify", origin.name).code == 0
                }
                let noise = try Data(contentsOf: URL(filePath: origin.noise))
                #expect(try disks(shim).contains { try Data(contentsOf: URL(filePath: $0)) == noise })
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/images/staging")
                        == [])
                // The machine reads on from whoever serves it, and the next one from files.
                try await eventually("one serves") { try servers(shim).count == 1 }
                let again = try await shim.execute(machine, sum("/dev/vdb", mebibyte: 21))
                #expect(try await again.text == expected(origin, mebibyte: 21))
                let next = try await create("next", of: origin.name, in: sandbox, config, shim)
                let bundle = shim.directory + "/state/machines/\(next)/config.json"
                #expect(!(try String(contentsOfFile: bundle, encoding: .utf8)).contains("nbd"))
                try await shim.removeEverything()
                try await eventually("who served it has ended") { try servers(shim).isEmpty }
                try await eventually("nothing is left of it") {
                    try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/run/i").isEmpty
                }
            }
        }
    }

    @Test func `a pod says for itself whether it waits for its image, and nonsense is refused`() async throws {
        let guest = try await LinuxGuest.made()
        try await RegistryDouble.run { registry in
            try await MachineHost.with(configuration: "shim:\n  sshKeyFile: \(guest.privateKeyFile)\n") { shim in
                let origin = try await publish(guest, to: registry, in: shim.directory)
                let key = "vzcri.dev/lazy-start"
                let refused = await status { _ = try await pull(origin.name, shim, annotations: [key: "perhaps"]) }
                #expect(refused?.code == .invalidArgument && refused?.message.contains(key) == true)
                let id = try await pull(origin.name, shim, annotations: [key: "true"])
                try await eventually("one serves") { try servers(shim).count == 1 }
                // Who wants all of it waits, and that ends when it is there.
                let whole = Task { try await pull(origin.name, shim) }
                origin.isHeld.withLockedValue { $0 = false }
                // Nobody starts from it: the rest comes after a while, or when a machine has started.
                let config = shim.sandboxConfig("lazy")
                let sandbox = try await shim.runSandbox(config, handler: "vm")
                let machine = try await create("guest", of: origin.name, in: sandbox, config, shim)
                try await shim.startContainer(machine)
                _ = try await shim.execute(machine, ["true"])
                #expect(try await whole.value == id)
                #expect(try await images(shim, "verify", origin.name).code == 0)
                let saved = await status {
                    _ = try await shim.call(
                        CRI.RuntimeService.checkpointContainer,
                        .init {
                            $0.containerId = machine
                            $0.location = shim.directory + "/checkpoint"
                        })
                }
                #expect(saved?.message.contains("still being fetched") == true)
            }
        }
    }
}
