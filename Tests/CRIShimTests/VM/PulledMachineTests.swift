import Logging
import Proto
import RPC
import Registry
import RegistryDouble
import Sockets
import Support
import Testing
import VMImages

@testable import CRIShim

/// A machine whose image is in a private registry, and nowhere else.
@Suite(
    .serialized, .enabled(if: LinuxGuest.canRun, "skipped, because no Linux guest can be made or booted here"),
    .enabled(if: DockerRegistry.isAvailable, "docker-registry is not installed: scripts/deps install test"))
struct PulledMachineTests {
    private static let logger = Logger(label: "images", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Makes the image somewhere else, and brings it to the registry.
    private func publish(_ guest: LinuxGuest, as name: String, _ directory: String) async throws -> String {
        let store = ImageStore(directory: directory + "/elsewhere", logger: Self.logger)
        var made = ImageImport(
            name: "guest", os: .linux, architecture: HostArchitecture.name,
            boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
            disks: [guest.disk])
        made.login = .init(user: guest.user)
        let request = made
        _ = try await RootDirectory.offload { try store.importImage(request) }
        let client = RegistryClient(logger: Self.logger)
        do {
            let repository = try await client.repository(
                ImageReference(parsing: name),
                credentials: .basic(user: DockerRegistry.user, password: DockerRegistry.password))
            let digest = try await ImagePusher(store: store).push("guest", to: repository, tag: "1")
            await client.shutdown()
            return digest
        } catch {
            await client.shutdown()
            throw error
        }
    }

    @Test(.timeLimit(.minutes(8))) func `a machine is pulled from a private registry and runs`() async throws {
        let guest = try await LinuxGuest.made()
        try await DockerRegistry.run(asks: true) { registry in
            try await withTemporaryDirectory { directory in
                let name = "\(registry.address)/team/guest:1"
                let digest = try await publish(guest, as: name, directory)
                try await ShimHarness.with(
                    docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"),
                    configure: {
                        $0.stateDirectory = $0.rootDirectory + "/s"
                        // The key is this host's business: no image has it.
                        $0.guests = [
                            GuestProfile(
                                name: nil, match: ImagePattern("**"),
                                login: GuestLogin(user: guest.user, keyFile: guest.privateKeyFile))
                        ]
                    }
                ) { shim in
                    let pulled = try await shim.client.call(
                        CRI.ImageService.pullImage,
                        .init {
                            $0.image = .init { $0.image = name }
                            $0.auth = .init {
                                $0.username = DockerRegistry.user
                                $0.password = DockerRegistry.password
                                $0.serverAddress = registry.address
                            }
                        }, timeout: .seconds(120))
                    #expect(pulled.imageRef == digest)
                    let config = shim.sandboxConfig("pulled")
                    let sandbox = try await shim.runSandbox(config, handler: "vm")
                    let id = try await shim.create(
                        "main", in: sandbox, config, image: pulled.imageRef, script: "echo here; exit 42")
                    try await shim.start(id)
                    var ended = try await shim.status(id)
                    try await eventually("the command ends", within: .seconds(180)) {
                        ended = try await shim.status(id)
                        return ended.state == .containerExited
                    }
                    #expect(ended.exitCode == 42)
                    #expect(try shim.log(ended) == ["stdout F here"])
                    #expect(ended.imageRef == digest)
                    try await shim.removeEverything()
                }
            }
        }
    }
}
