import HostFiles
import Logging
import Proto
import Support
import Synchronization
import Testing
import VMImages

@testable import CRIShim

@Suite struct NodeImagesTests {
    /// Docker's side: one image, `container`.
    private final class Docker: ImageManager {
        let calls = Mutex<[String]>([])
        static let image = CRI.Image {
            $0.id = "sha256:" + String(repeating: "d", count: 64)
            $0.repoTags = ["container:latest"]
        }

        func list(_ filter: CRI.ImageFilter?) async throws -> [CRI.Image] { [Self.image] }

        func status(
            _ image: CRI.ImageSpec, verbose: Bool
        ) async throws -> (image: CRI.Image, details: [String: String])? {
            image.image == "container" ? (Self.image, [:]) : nil
        }

        func pull(_ image: CRI.ImageSpec, auth: CRI.AuthConfig?) async throws -> String {
            calls.withLock { $0.append("pull \(image.image)") }
            return Self.image.id
        }

        func remove(_ image: CRI.ImageSpec) async throws { calls.withLock { $0.append("remove \(image.image)") } }

        func fileSystems() async throws -> [CRI.FilesystemUsage] {
            [.init { $0.fsId = .init { $0.mountpoint = "/docker" } }]
        }
    }

    /// A node's images in a directory of their own.
    private struct Node {
        var images: NodeImages
        var docker: Docker
        var machines: VMImageCatalog
        var directory: String

        init(_ directory: String, dockerRuns: Bool = true) throws {
            let docker = Docker()
            let machines = VMImageCatalog(
                store: ImageStore(directory: directory + "/images", logger: Logger(label: "test")),
                root: directory)
            let health =
                dockerRuns
                ? RuntimeHealth.ready : RuntimeHealth(isReady: false, reason: "Gone", message: "Docker is gone")
            let choice = RuntimeChoice(
                vmImage: { try await machines.find($0)?.id },
                dockerImage: { $0 == "container" && dockerRuns ? Docker.image.id : nil },
                patterns: [try #require(ImagePattern("vms/*"))])
            images = NodeImages(machines: machines, docker: docker, dockerHealth: { health }, choice: choice)
            self.docker = docker
            self.machines = machines
            self.directory = directory
        }

        func add(_ name: String) throws -> VMImage {
            let kernel = directory + "/kernel"
            try AtomicFile.write(Array(name.utf8), to: kernel, mode: 0o600)
            var request = ImageImport(name: name, boot: .kernel(path: kernel, initrd: nil, commandLine: ""))
            request.login = VMImageLogin(user: "root")
            // As the command line does it: another store object.
            return try ImageStore(directory: directory + "/images", logger: Logger(label: "cli")).importImage(request)
        }
    }

    private func spec(_ image: String) -> CRI.ImageSpec { .init { $0.image = image } }

    @Test("images of both kinds are listed, looked at and pulled; one that is imported meanwhile shows at once")
    func both() async throws {
        try await withTemporaryDirectory { directory in
            let node = try Node(directory)
            #expect(try await node.images.list(nil).map(\.id) == [Docker.image.id])
            let machine = try node.add("machine")
            #expect(try await node.images.list(nil).map(\.id) == [machine.id, Docker.image.id])
            for name in ["machine", "machine:latest", machine.id, "docker.io/library/machine@\(machine.id)"] {
                let found = try #require(try await node.images.status(spec(name), verbose: true))
                #expect(found.image.id == machine.id)
                #expect(found.image.repoTags == ["machine:latest"])
                #expect(found.image.repoDigests == ["machine@\(machine.id)"])
                #expect(found.image.size > 0)
                #expect(found.image.username == "root")
                #expect(found.image.spec?.runtimeHandler == "vm")
                #expect(found.details["info"]?.contains("\"runtime\":\"vm\"") == true)
                #expect(try await node.images.pull(spec(name), auth: nil) == machine.id)
                #expect(try await node.images.list(.init { $0.image = spec(name) }).map(\.id) == [machine.id])
            }
            #expect(try await node.images.status(spec("container"), verbose: false)?.image.id == Docker.image.id)
            #expect(try await node.images.status(spec("none"), verbose: false) == nil)
            #expect(try await node.images.pull(spec("container"), auth: nil) == Docker.image.id)
            #expect(
                try await node.images.fileSystems().map { $0.fsId?.mountpoint } == ["/docker", directory + "/images"])
            #expect(node.docker.calls.withLock { $0 } == ["pull container"])
        }
    }

    @Test("with Docker stopped its part is absent, and a question only it could answer says so")
    func withoutDocker() async throws {
        try await withTemporaryDirectory { directory in
            let node = try Node(directory, dockerRuns: false)
            let machine = try node.add("machine")
            #expect(try await node.images.list(nil).map(\.id) == [machine.id])
            #expect(try await node.images.status(spec("machine"), verbose: false)?.image.id == machine.id)
            #expect(try await node.images.pull(spec("machine"), auth: nil) == machine.id)
            #expect(try await node.images.list(.init { $0.image = spec("container") }).isEmpty)
            for call in [
                { @Sendable () async throws in _ = try await node.images.status(spec("container"), verbose: false) },
                { @Sendable () async throws in _ = try await node.images.pull(spec("container"), auth: nil) },
                { @Sendable () async throws in try await node.images.remove(spec("container")) },
            ] {
                let error = await #expect(throws: ShimError.self) { try await call() }
                #expect(error?.code == .unavailable)
                #expect(error?.message.contains("container is not among the VM images here") == true)
                #expect(error?.message.contains("Docker is gone") == true)
            }
            try await node.images.remove(spec("machine"))
            #expect(try await node.images.list(nil).isEmpty)
            // What is a machine's by its name, and is not here, is not Docker's to look for.
            #expect(try await node.images.status(spec("vms/a"), verbose: false) == nil)
            try await node.images.remove(spec("vms/a"))
            let wanted = CRI.ImageSpec {
                $0.image = "private/guest"
                $0.runtimeHandler = "vm"
            }
            #expect(try await node.images.status(wanted, verbose: false) == nil)
        }
    }

    @Test("a machine's image that is not here is not asked of Docker")
    func absent() async throws {
        try await withTemporaryDirectory { directory in
            let node = try Node(directory)
            let error = await #expect(throws: ShimError.self) { try await node.images.pull(spec("vms/a"), auth: nil) }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains("cri-shim image import --name vms/a") == true)
            #expect(node.docker.calls.withLock { $0.isEmpty })
        }
    }

    @Test("a removed image that a machine uses loses its names; its data goes with the machine")
    func removal() async throws {
        try await withTemporaryDirectory { directory in
            let node = try Node(directory)
            let machine = try node.add("machine")
            _ = try node.machines.store.tag("machine", as: "other")
            let bundle = directory + "/machines/" + String(repeating: "1", count: 64)
            try RootDirectory.makeDirectory(bundle, mode: 0o700)
            try AtomicFile.write(
                Array("{\"imageID\":\"\(machine.id)\"}".utf8), to: bundle + "/container.json", mode: 0o600)
            try await node.images.remove(spec("machine"))
            let left = try await node.images.list(nil)
            #expect(left.map(\.id) == [machine.id, Docker.image.id])
            #expect(left[0].repoTags.isEmpty)
            #expect(try await node.machines.find("other") == nil)
            try RootDirectory.removeTree(bundle)
            await node.machines.collectUnused()
            #expect(try await node.machines.list().isEmpty)
            // Absent now: Docker's to know.
            try await node.images.remove(spec("machine"))
            #expect(node.docker.calls.withLock { $0 } == ["remove machine"])
        }
    }
}
