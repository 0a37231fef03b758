import HTTP
import HostFiles
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Registry
import RegistryDouble
import Sockets
import Support
import Synchronization
import TLS
import Testing
import VMImages

@testable import CRIShim

/// Shims of a fleet over real sockets with TLS on both sides.
@Suite struct PeerServerTests {
    private static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Certificates of one authority.
    private struct Fleet {
        var directory: String
        var authority: String

        init(_ directory: String) throws {
            self.directory = directory
            let made = try CertificateAuthority.make(commonName: "fleet", directory: directory)
            authority = made.certificateFile
            for name in ["peer", "stranger"] {
                _ = try made.issue(commonName: name, names: ["127.0.0.1"], directory: directory)
            }
        }

        func configuration(_ addresses: [PeerConfiguration.Address], name: String = "peer") -> PeerConfiguration {
            var configuration = PeerConfiguration(
                addresses: addresses, authorityFile: authority, certificateFile: "\(directory)/\(name).crt",
                keyFile: "\(directory)/\(name).key", allowedNames: ["peer"])
            configuration.listen = ("127.0.0.1", 0)
            return configuration
        }
    }

    /// Pushes an image of noise.
    private static func pushed(
        _ directory: String, _ registry: RegistryDouble, _ client: RegistryClient, mebibytes: Int
    ) async throws -> ResolvedImage {
        var random = Faults.random("peers")
        let bytes = random.bytes(mebibytes << 20)
        let (kernel, disk) = (directory + "/kernel", directory + "/disk")
        try AtomicFile.write([1, 2, 3], to: kernel, mode: 0o600)
        try AtomicFile.write(bytes, to: disk, mode: 0o600)
        let origin = ImageStore(directory: directory + "/origin", logger: logger)
        _ = try await RootDirectory.offload {
            try origin.importImage(
                ImageImport(name: "guest", boot: .kernel(path: kernel, initrd: nil, commandLine: ""), disks: [disk]))
        }
        let repository = try await client.repository(ImageReference(parsing: "\(registry.address)/team/guest:v1"))
        _ = try await ImagePusher(store: origin).push("guest", to: repository, tag: "v1")
        return try await repository.resolve("v1")
    }

    /// Bytes of blobs that were asked for.
    private static func asked(_ registry: RegistryDouble, since: Int) -> Int {
        registry.seen.dropFirst(since).filter { $0.method == .GET && $0.path.contains("/blobs/") }.reduce(0) {
            let ends = ($1.headers.first(name: "range") ?? "").dropFirst("bytes=".count).split(separator: "-")
                .compactMap { Int($0) }
            guard ends.count == 2 else {
                return $0
                    + (registry.blob($1.path.split(separator: "/").last.map(String.init) ?? "")?.readableBytes ?? 0)
            }
            return $0 + ends[1] - ends[0] + 1
        }
    }

    @Test("four shims that pull an image at once have it leave the registry about once, and give it to a fifth")
    func four() async throws {
        try await withTemporaryDirectory { directory in
            try await RegistryDouble.run { registry in
                let client = RegistryClient(logger: Self.logger)
                let fleet = try Fleet(directory)
                let image = try await Self.pushed(directory, registry, client, mebibytes: 48)
                let before = registry.seen.count
                let group = MultiThreadedEventLoopGroup.singleton
                var shims: [(peers: Peers, store: ImageStore)] = []
                let log = RecordingLog()
                // How fast anybody is here says nothing.
                let hour = Duration.seconds(3600)
                let addresses = try (0..<4).map { _ in
                    PeerConfiguration.Address(host: "127.0.0.1", port: try LoopbackPort.take())
                }
                for number in 0..<4 {
                    var configuration = fleet.configuration(addresses)
                    configuration.listen = ("127.0.0.1", addresses[number].port)
                    let store = ImageStore(directory: "\(directory)/store-\(number)", logger: log.logger)
                    let peers = try Peers(
                        configuration, store: store, limits: .init(frame: hour, answer: hour, silence: hour),
                        group: group, logger: log.logger)
                    try await peers.start()
                    shims.append((peers, store))
                }
                let reference = try ImageReference(parsing: "\(registry.address)/team/guest:v1")
                let repository = try await client.repository(reference)
                do {
                    try await withThrowingTaskGroup(of: Void.self) { tasks in
                        for (peers, store) in shims {
                            var exchange = peers.exchange
                            (exchange.patience, exchange.assembly) = (hour, hour)
                            tasks.addTask { [exchange] in
                                let pulled = try await ImagePuller(store: store, exchange: exchange)
                                    .pull(reference, manifest: image.bytes, from: repository)
                                #expect(pulled.id == image.descriptor.digest)
                            }
                        }
                        try await tasks.waitForAll()
                    }
                    let share = Double(Self.asked(registry, since: before)) / Double(48 << 20)
                    // Of so few frames one run is a third; `Benchmarks/run-peers` measures a large image.
                    #expect(share > 0.9 && share < 2, "\(share) times the image left the registry: \(log.lines)")

                    // Who pulls by hand serves nobody, and asks them all the same.
                    let rest = registry.seen.count
                    let store = ImageStore(directory: "\(directory)/by-hand", logger: log.logger)
                    let clients = try PeerClients(
                        fleet.configuration(addresses), board: FrameBoard(store: store),
                        limits: .init(frame: hour, answer: hour, silence: hour), group: group)
                    var exchange = clients.exchange
                    (exchange.patience, exchange.assembly) = (hour, hour)
                    _ = try await ImagePuller(store: store, exchange: exchange)
                        .pull(reference, manifest: image.bytes, from: repository)
                    await clients.close()
                    #expect(Self.asked(registry, since: rest) < 1 << 20, "\(log.lines)")
                } catch {
                    Issue.record(error)
                }
                for shim in shims { await shim.peers.stop() }
                await client.shutdown()
            }
        }
    }

    @Test("frames are for those with a certificate that bears the right name, and only by the digest of a disk")
    func access() async throws {
        try await withTemporaryDirectory { directory in
            let fleet = try Fleet(directory)
            let group = MultiThreadedEventLoopGroup.singleton
            let disk = directory + "/disk"
            try AtomicFile.write([UInt8](repeating: 7, count: 5 << 20), to: disk, mode: 0o600)
            let store = ImageStore(directory: directory + "/images", logger: Self.logger)
            let image = try await RootDirectory.offload {
                try store.importImage(ImageImport(name: "guest", boot: .efi(variables: nil), disks: [disk]))
            }
            let digest = image.config.disks[0].digest
            let peers = try Peers(fleet.configuration([]), store: store, group: group, logger: Self.logger)
            guard case .tcp(_, let port)? = try await peers.start() else { return }
            let address = PeerConfiguration.Address(host: "127.0.0.1", port: port)
            func peer(_ name: String?) throws -> HTTPPeer {
                HTTPPeer(
                    address,
                    tls: try .client(
                        TLSClientConfiguration(
                            caFile: fleet.authority, certificateFile: name.map { "\(directory)/\($0).crt" },
                            keyFile: name.map { "\(directory)/\($0).key" }, applicationProtocols: ["http/1.1"])),
                    group: group)
            }
            let good = try peer("peer")
            let (id, news) = try await good.follow(disk: digest)
            #expect(id == peers.exchange.board.id)
            var iterator = news.makeAsyncIterator()
            #expect(try await iterator.next() == .has([0, 1, 2, 3, 4]))
            let bytes = try #require(try await good.frame(1, ofDisk: digest))
            #expect(bytes.readableBytes > 0 && bytes.readableBytes < 1 << 20)
            await #expect(throws: HTTPError.self) { _ = try await good.frame(5, ofDisk: digest) }
            await #expect(throws: HTTPError.self) { _ = try await good.frame(0, ofDisk: image.id) }
            await #expect(throws: HTTPError.self) { _ = try await good.follow(disk: "sha256:..") }
            for name in ["stranger", nil] {
                let bad = try peer(name)
                await #expect(throws: (any Error).self) { _ = try await bad.frame(1, ofDisk: digest) }
                await bad.close()
            }
            // Who follows hears that it is over.
            await peers.stop()
            #expect(try await iterator.next() == nil)
            await good.close()
        }
    }
}
