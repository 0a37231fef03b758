import Foundation
import HTTP
import HostFiles
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Proto
import Registry
import RegistryDouble
import Support
import Synchronization
import Testing
import VMImages
import Waiting

@testable import CRIShim

/// Images of machines that are in registries.
@Suite struct RegistryImagesTests {
    private static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Docker's side, which must not be asked for machines.
    private struct Docker: ImageManager {
        func list(_ filter: CRI.ImageFilter?) async throws -> [CRI.Image] { [] }
        func status(_ image: CRI.ImageSpec, verbose: Bool) async throws -> (
            image: CRI.Image, details: [String: String]
        )? {
            nil
        }
        func pull(_ image: CRI.ImageSpec, auth: CRI.AuthConfig?) async throws -> String { "docker" }
        func remove(_ image: CRI.ImageSpec) async throws {}
        func fileSystems() async throws -> [CRI.FilesystemUsage] { [] }
    }

    /// A node with an empty store, and a registry that has one image of a machine.
    private struct Node {
        static let name = "team/guest:v1"
        let registry: RegistryDouble
        let images: NodeImages
        let machinePulls: VMImagePulls
        let board = PullBoard()
        let choice: RuntimeChoice
        let client: RegistryClient
        /// Of the image in the registry.
        let digest: String
        let layers: [Descriptor]

        init(_ directory: String, _ registry: RegistryDouble, rate: Int64? = nil) async throws {
            self.registry = registry
            let logger = RegistryImagesTests.logger
            var configuration = RegistryConfiguration()
            configuration.timing.firstWait = .milliseconds(2)
            configuration.timing.longestWait = .milliseconds(10)
            client = RegistryClient(configuration: configuration, logger: logger)
            let origin = ImageStore(directory: directory + "/origin", logger: logger)
            let kernel = directory + "/kernel"
            try AtomicFile.write([1, 2, 3], to: kernel, mode: 0o600)
            let disk = directory + "/disk"
            var random = SeededRandom(seed: 31)
            try AtomicFile.write(random.bytes(3 << 20), to: disk, mode: 0o600)
            var request = ImageImport(
                name: "guest", boot: .kernel(path: kernel, initrd: nil, commandLine: ""), disks: [disk])
            request.login = VMImageLogin(user: "root")
            let made = request
            _ = try await RootDirectory.offload { try origin.importImage(made) }
            let repository = try await client.repository(
                ImageReference(parsing: "\(registry.address)/\(Self.name)"), credentials: nil)
            digest = try await ImagePusher(store: origin).push("guest", to: repository, tag: "v1")
            layers = try await repository.resolve("v1").manifest.layers

            let machines = VMImageCatalog(
                store: ImageStore(directory: directory + "/images", logger: logger), root: directory)
            choice = RuntimeChoice(
                vmImage: { try await machines.find($0)?.id }, dockerImage: { _ in nil },
                manifests: RegistryManifests(client: client, patience: .seconds(300), logger: logger))
            machinePulls = VMImagePulls(client: client, catalog: machines, pulls: board, rate: rate)
            images = NodeImages(
                machines: machines, docker: Docker(), dockerHealth: { .ready }, choice: choice, pulls: machinePulls)
        }

        var image: String { "\(registry.address)/\(Self.name)" }

        func pull(_ auth: CRI.AuthConfig? = nil) async throws -> String {
            try await images.pull(.init { $0.image = image }, auth: auth)
        }

        /// How often each blob of the image was fetched.
        func fetches() -> [String: Int] {
            Dictionary(
                registry.seen.filter { $0.method == .GET && $0.path.contains("/blobs/sha256:") }.map { ($0.target, 1) },
                uniquingKeysWith: +)
        }

    }

    private func with(rate: Int64? = nil, _ body: (Node) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try await RegistryDouble.run { registry in
                let node = try await Node(directory, registry, rate: rate)
                do {
                    try await body(node)
                } catch {
                    await node.client.shutdown()
                    throw error
                }
                await node.client.shutdown()
            }
        }
    }

    private func code(_ body: () async throws -> Void) async -> ShimError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ShimError)?.code
        }
    }

    private static func auth(_ password: String) -> CRI.AuthConfig {
        .init {
            $0.username = "u"
            $0.password = password
        }
    }

    // MARK: What an image is

    @Test(
        "a manifest tells whether an image is a machine's",
        arguments: [
            (
                "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip",
                nil, .docker
            ),
            (VMImageConfig.mediaType, "x/y", nil, .vm),
            ("application/vnd.vzcri.vm.config.v9+json", "x/y", nil, .vm),
            ("application/vnd.agoda.macosvz.config.v1+json", "x/y", nil, .vm),
            (MediaType.empty, "application/vnd.agoda.macosvz.disk.image.v1", nil, .vm),
            ("application/vnd.cirruslabs.tart.config.v1", "application/vnd.cirruslabs.tart.disk.v2", nil, .vm),
            (MediaType.empty, "x/y", "application/vnd.vzcri.vm.config.v1+json", .vm),
            (MediaType.empty, "x/y", "application/vnd.cncf.helm", .docker),
        ] as [(String, String, String?, RuntimeChoice.Kind)])
    func kinds(config: String, layer: String, artifact: String?, wanted: RuntimeChoice.Kind) async throws {
        try await RegistryDouble.run { registry in
            let digest = "sha256:" + String(repeating: "0", count: 64)
            let manifest = OCIManifest(
                artifactType: artifact, config: .init(mediaType: config, digest: digest, size: 2),
                layers: [.init(mediaType: layer, digest: digest, size: 2)])
            let put = registry.add(
                manifest: String(decoding: try JSONEncoder().encode(manifest), as: UTF8.self), to: "a", tag: "plain")
            let list = OCIIndex(manifests: [
                .init(
                    mediaType: MediaType.manifest, digest: put.digest, size: put.size,
                    platform: Platform(os: "linux", architecture: Platform.hostArchitecture))
            ])
            registry.add(
                manifest: String(decoding: try JSONEncoder().encode(list), as: UTF8.self), type: MediaType.index,
                to: "a",
                tag: "list")
            let client = RegistryClient(logger: Self.logger)
            let manifests = RegistryManifests(client: client, patience: .seconds(300), logger: Self.logger)
            var kinds: [RuntimeChoice.Kind?] = []
            for tag in ["plain", "list"] {
                let reference = try ImageReference(parsing: "\(registry.address)/a:\(tag)")
                kinds.append(try await manifests.classify(reference, auth: nil))
                let asked = registry.seen.filter { $0.method == .GET }.count
                kinds.append(try await manifests.classify(reference, auth: nil))
                #expect(registry.seen.filter { $0.method == .GET }.count == asked)
            }
            await client.shutdown()
            #expect(kinds == [wanted, wanted, wanted, wanted])
        }
    }

    @Test func `what a registry does not say is left to Docker`() async throws {
        try await with { node async throws in
            node.registry.set(access: .basic(user: "u", password: "p"))
            #expect(try await node.choice.decide(image: node.image).kind == .docker)
            #expect(try await node.choice.decide(image: node.image, auth: Self.auth("p")).kind == .vm)
            // Credentials of another server are shown to nobody.
            var other = Self.auth("p")
            other.serverAddress = "other.example"
            #expect(try await node.choice.decide(image: node.image, auth: other).kind == .docker)
            #expect(try await node.choice.decide(image: "127.0.0.1:1/gone").kind == .docker)
        }
    }

    @Test func `a registry that does not answer is left alone for a while`() async throws {
        try await with { node async throws in
            let reference = try ImageReference(parsing: node.image)
            for (quiet, kind) in [(Duration.seconds(3600), nil), (.zero, .vm)] as [(Duration, RuntimeChoice.Kind?)] {
                let manifests = RegistryManifests(
                    client: node.client, quiet: quiet, patience: .seconds(300), logger: Self.logger)
                node.registry.intercept { _ in HTTPResponse(.serviceUnavailable) }
                #expect(try await manifests.classify(reference, auth: nil) == nil)
                node.registry.intercept { _ in nil }
                let before = node.registry.seen.count
                #expect(try await manifests.classify(reference, auth: nil) == kind)
                #expect((node.registry.seen.count == before) == (kind == nil))
            }
        }
    }

    @Test func `an image of a machine is never handed to Docker`() async throws {
        try await with { node async throws in
            let spec = CRI.ImageSpec {
                $0.image = node.image
                $0.runtimeHandler = "docker"
            }
            #expect(await code { _ = try await node.images.pull(spec, auth: nil) } == .invalidArgument)
        }
    }

    // MARK: Pulls

    @Test func `an image is downloaded once, however many wait for it`() async throws {
        try await with { node async throws in
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<10 { group.addTask { try await node.pull() } }
                for try await id in group { #expect(id == node.digest) }
            }
            #expect(!node.fetches().isEmpty)
            #expect(node.fetches().values.allSatisfy { $0 == 1 })
            let found = try #require(try await node.images.status(.init { $0.image = node.image }, verbose: false))
            #expect(found.image.id == node.digest)
            #expect(found.image.repoTags == [node.image])
            #expect(node.board.all.count == 10)
            #expect(node.board.all.allSatisfy { $0.pull.isFinished && $0.pull.failure.isEmpty })
            #expect(node.board.all.contains { $0.pull.done > 0 })
            let before = node.fetches()
            #expect(try await node.pull() == node.digest)
            #expect(node.fetches() == before)
        }
    }

    @Test func `an image that machines will run from is begun once, however many wait for it`() async throws {
        try await with { node async throws in
            try await withTemporaryDirectory { directory in
                let log = RecordingLog()
                let store = ImageStore(directory: directory + "/images", logger: log.logger)
                let servers = ImageServers(
                    store: store, root: directory, state: directory + "/state", program: "/bin/false", logLevel: nil,
                    group: MultiThreadedEventLoopGroup.singleton, logger: Self.logger)
                let pulls = VMImagePulls(
                    client: node.client, catalog: VMImageCatalog(store: store, root: directory), pulls: PullBoard(),
                    lazy: LazyStart(isWanted: true, servers: servers, logger: nil))
                let released = Latch()
                node.registry.intercept { request in
                    if request.method == .GET, request.path.contains("/blobs/") { await released.wait() }
                    return nil
                }
                let spec = CRI.ImageSpec { $0.image = node.image }
                let both = (0..<2).map { _ in Task { try await pulls.pull(spec, auth: nil, local: nil) } }
                try await eventually("both wait") { pulls.waiting == 2 }
                released.open()
                for pull in both { #expect(try await pull.value == node.digest) }
                #expect(try store.list().map(\.isWhole) == [false], "nobody waited for all of it: \(log.lines)")
                await servers.shutDown()
            }
        }
    }

    @Test func `who needs an image that is brought slowly beforehand gets it at once, of the same download`()
        async throws
    {
        // An image takes longer than any test at this rate.
        try await with(rate: 1) { node async throws in
            let slow = Task { try await node.images.prePull(.init { $0.image = node.image }) }
            try await eventually("the download has begun") { !node.fetches().isEmpty }
            #expect(node.board.all.allSatisfy { !$0.pull.isFinished })
            #expect(try await node.pull() == node.digest)
            #expect(try await slow.value == node.digest)
            #expect(node.fetches().values.allSatisfy { $0 == 1 })
            let before = node.fetches()
            #expect(try await node.images.prePull(.init { $0.image = node.image }) == node.digest)
            #expect(node.fetches() == before)
        }
    }

    @Test func `a private image that is here is used by those alone who may have it`() async throws {
        try await with { node async throws in
            node.registry.set(access: .privateTokens(user: "u", password: "p"))
            #expect(
                await code {
                    _ = try await node.machinePulls.pull(.init { $0.image = node.image }, auth: nil, local: nil)
                } == .denied)
            #expect(try await node.pull(Self.auth("p")) == node.digest)
            let before = node.fetches()
            #expect(await code { _ = try await node.pull() } == .denied)
            #expect(await code { _ = try await node.pull(Self.auth("wrong")) } == .denied)
            #expect(try await node.pull(Self.auth("p")) == node.digest)
            #expect(node.fetches() == before)
            node.registry.intercept { _ in HTTPResponse(.serviceUnavailable) }
            #expect(await code { _ = try await node.pull(Self.auth("p")) } == .unavailable)
        }
    }

    @Test func `a name that means another image by now is pulled again`() async throws {
        try await with { node async throws in
            #expect(try await node.pull() == node.digest)
            let old = try #require(node.registry.manifest("v1", of: "team/guest"))
            var manifest = try JSONDecoder().decode(OCIManifest.self, from: Data(old.readableBytesView))
            manifest.annotations = ["new": "yes"]
            let put = node.registry.add(
                manifest: String(decoding: try JSONEncoder().encode(manifest), as: UTF8.self), to: "team/guest",
                tag: "v1")
            #expect(try await node.pull() == put.digest)
            #expect(
                try await node.images.status(.init { $0.image = node.image }, verbose: false)?.image.id == put.digest)
        }
    }

    @Test func `a download ends with the last who waits for it`() async throws {
        try await with { node async throws in
            let (gone, tell) = AsyncStream.makeStream(of: Void.self)
            node.registry.intercept { request in
                guard request.method == .GET, request.path.contains("/blobs/") else { return nil }
                return HTTPResponse(
                    .ok, headers: ["Content-Length": "1"],
                    body: .stream { _ in
                        defer { tell.yield() }
                        try await Task.sleep(for: .seconds(600))
                    })
            }
            let first = Task { try await node.pull() }
            let second = Task { try await node.pull() }
            try await eventually("both wait") { node.machinePulls.waiting == 2 }
            try await eventually("it has begun") { !node.fetches().isEmpty }
            first.cancel()
            await #expect(throws: (any Error).self) { () async throws in _ = try await first.value }
            #expect(node.machinePulls.waiting == 1)
            second.cancel()
            await #expect(throws: (any Error).self) { () async throws in _ = try await second.value }
            #expect(node.machinePulls.waiting == 0)
            for await _ in gone { break }
        }
    }
}
