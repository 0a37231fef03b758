import Foundation
import Proto
import RPC
import Support
import Testing

/// A shim with a machine image: what the tests of virtual machines run against.
enum MachineHost {
    /// What the imported guest is called.
    static let image = "localhost/linux-guest:test"

    static let canRun = LinuxGuest.canRun && geteuid() == 0
    static let skipReason: Comment =
        "skipped, because a pod's machine needs root, QEMU and Debian's packages for its guest (make deps)"

    /// Runs `body` with a shim that has the guest's image; afterwards nothing is left.
    /// - Parameter docker: whether it has a Docker Engine; else nothing listens where it looks for one.
    static func with(
        docker: Bool = false, server: LinuxGuest.SSHServer = .dropbear, configuration: String = "",
        programs: String? = nil,
        _ body: (ShimProcess) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try await with(
                in: directory, docker: docker, server: server, configuration: configuration, programs: programs, body)
        }
    }

    /// In a directory that is there, and that the caller removes.
    static func with(
        in directory: String, docker: Bool = false, server: LinuxGuest.SSHServer = .dropbear,
        configuration: String = "",
        programs: String? = nil, _ body: (ShimProcess) async throws -> Void
    ) async throws {
        let guest = try await LinuxGuest.made(server)
        if docker { try await DockerEngine.requireImage() }
        let before = try await Leftovers.look()
        let socket = docker ? try DockerEngine.requireSocket() : directory + "/no-engine.sock"
        let shim = ShimProcess(directory, docker: socket, programs: programs)
        try Data(configuration.utf8).write(to: URL(filePath: directory + "/config.yaml"))
        try await importImage(guest, into: shim)
        try await shim.start()
        do {
            try await body(shim)
        } catch {
            try? await shim.ensureRunning()
            try? await shim.removeEverything()
            await shim.stop()
            throw error
        }
        try await shim.removeEverything()
        await shim.stop()
        try await Leftovers.expectNone(below: directory, since: before)
    }

    private static func importImage(_ guest: LinuxGuest, into shim: ShimProcess) async throws {
        let outcome = try await Programs.run(
            "cri-shim",
            [
                "image", "import", "--root", shim.directory + "/state", "--config", shim.directory + "/config.yaml",
                "--kernel", guest.kernel, "--initrd", guest.initrd, "--command-line", guest.commandLine, "--disk",
                guest.disk, "--user", guest.user, "--key-file", guest.privateKeyFile, "--cpus", "1", "--memory",
                "256Mi",
                "--name", image,
            ])
        guard outcome.code == 0 else { throw ShimProcess.Failure(description: outcome.errors) }
    }
}

extension ShimProcess {
    /// Makes and starts a machine.
    func startMachine(
        _ name: String, in sandbox: String, _ config: CRI.PodSandboxConfig, command: [String] = [],
        mounts: [CRI.Mount] = [], tty: Bool = false, stdin: Bool = false, annotations: [String: String] = [:]
    ) async throws -> String {
        let id = try await createMachine(
            name, in: sandbox, config, command: command, mounts: mounts, tty: tty, stdin: stdin,
            annotations: annotations)
        _ = try await startContainer(id)
        return id
    }

    func createMachine(
        _ name: String, in sandbox: String, _ config: CRI.PodSandboxConfig, command: [String] = [],
        mounts: [CRI.Mount] = [], tty: Bool = false, stdin: Bool = false, annotations: [String: String] = [:],
        image: String = MachineHost.image
    ) async throws -> String {
        try await call(
            CRI.RuntimeService.createContainer,
            .init {
                $0.podSandboxId = sandbox
                $0.config = .init {
                    $0.metadata = .init { $0.name = name }
                    $0.image = .init { $0.image = image }
                    $0.command = command
                    $0.logPath = name + ".log"
                    $0.mounts = mounts
                    $0.tty = tty
                    $0.stdin = stdin
                    $0.annotations = annotations
                }
                $0.sandboxConfig = config
            }
        ).containerId
    }

    /// A machine may take as long to boot as a busy computer needs.
    func startContainer(_ id: String) async throws {
        _ = try await client.call(
            CRI.RuntimeService.startContainer, .init { $0.containerId = id }, timeout: .seconds(150))
    }

    func stopContainer(_ id: String, grace: Int64) async throws {
        _ = try await client.call(
            CRI.RuntimeService.stopContainer,
            .init {
                $0.containerId = id
                $0.timeout = grace
            }, timeout: .seconds(60 + grace))
    }

    /// Waits for the guest and runs a command in it.
    func execute(_ id: String, _ command: [String]) async throws -> CRI.ExecSyncResponse {
        try await client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = command
            }, timeout: .seconds(180))
    }

    func ended(_ id: String, within limit: Duration = .seconds(120)) async throws -> CRI.ContainerStatus {
        try await eventually("the container ends", within: limit) {
            try await status(id).state == .containerExited
        }
        return try await status(id)
    }

    func sandboxStatus(_ id: String) async throws -> CRI.PodSandboxStatus {
        try #require(try await call(CRI.RuntimeService.podSandboxStatus, .init { $0.podSandboxId = id }).status)
    }
}

/// The status a call ends with; nil when it succeeds.
func status(_ work: () async throws -> Void) async -> RPCError? {
    do {
        try await work()
        return nil
    } catch {
        return error as? RPCError
    }
}

extension CRI.ExecSyncResponse {
    var text: String { String(decoding: stdout, as: UTF8.self) }
    var errorText: String { String(decoding: stderr, as: UTF8.self) }
}
