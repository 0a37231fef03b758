import Foundation
import Registry
import RegistryDouble
import Support
import Testing

@testable import VMImages

@Suite struct CommitTests {
    @Test("a committed machine is pushed as what it changed, and comes back whole, with its base here or not")
    func child() async throws {
        var random = Faults.random("commit")
        let disk = random.bytes(32 << 20)
        var changed = disk
        var bytes = 0
        for _ in 0..<6 {
            let place = Int.random(in: 0..<31, using: &random) << 20 + Int.random(in: 0..<4096, using: &random) * 8
            changed.replaceSubrange(place..<place + (1 << 18), with: random.bytes(1 << 18))
            bytes += 1 << 18
        }
        let registry = MemoryRegistry()
        let host = try Fixture()
        _ = try host.add("base", disk: try host.file("disk", disk))
        let base = try await ImagePusher(store: host.store).push("base", to: registry, tag: "base")

        let request = ImageCommit(
            name: "child", base: "base", disks: [try host.file("changed", changed)])
        let child = try await host.store.commit(request)
        #expect(try content(of: host.store, child) == changed)
        let before = Set(registry.uploads)
        let digest = try await ImagePusher(store: host.store).push("child", to: registry, tag: "child")
        let sent = registry.uploads.filter { !before.contains($0) }.reduce(0) { $0 + registry.size($1) }
        #expect(sent <= bytes * 13 / 10, "\(sent) bytes for \(bytes)")
        #expect(try host.another.resolve("child@\(digest)")?.id == child.id)

        let manifest = try #require(registry.bytes(digest))
        let decoded = try JSONDecoder().decode(OCIManifest.self, from: Data(manifest))
        #expect(decoded.annotations?["org.opencontainers.image.base.digest"] == base)
        // On a host that has nothing,
        let other = try Fixture()
        let name = try ImageReference(parsing: "registry.example/child")
        let image = try await ImagePuller(store: other.store).pull(name, manifest: manifest, from: registry)
        #expect(try content(of: other.store, image) == changed)
        // and on one that has the base.
        let third = try Fixture()
        let puller = ImagePuller(store: third.store)
        _ = try await puller.pull(
            ImageReference(parsing: "registry.example/base"), manifest: try #require(registry.bytes(base)),
            from: registry)
        let counted = registry.copy()
        let pulled = try await puller.pull(name, manifest: manifest, from: counted)
        #expect(try content(of: third.store, pulled) == changed)
        #expect(counted.served <= Int64(bytes) * 13 / 10)

        // A child of the child builds on the same frames.
        var again = changed
        again.replaceSubrange(5 << 20..<5 << 20 + 1000, with: random.bytes(1000))
        _ = try await third.store.commit(
            ImageCommit(
                name: "grandchild", base: pulled.id,
                disks: [try third.file("again", again)]))
        let last = try await ImagePusher(store: third.store).push("grandchild", to: registry, tag: nil)
        let fourth = try Fixture()
        let grandchild = try await ImagePuller(store: fourth.store).pull(
            ImageReference(parsing: "registry.example/grandchild"), manifest: try #require(registry.bytes(last)),
            from: registry)
        #expect(try content(of: fourth.store, grandchild) == again)
    }

    @Test("the same image makes the same blobs, and a second push sends none")
    func reproducible() async throws {
        var random = SeededRandom(seed: 11)
        let disk = someDisk(20 << 20, &random)
        var digests: Set<String> = []
        let registry = MemoryRegistry()
        for _ in 0..<2 {
            let host = try Fixture()
            _ = try host.add("guest", disk: try host.file("disk", disk))
            let pusher = ImagePusher(store: host.store, packLimit: 3 << 20)
            digests.insert(try await pusher.push("guest", to: registry, tag: "1"))
            #expect(try host.files("/staging").isEmpty)
        }
        #expect(digests.count == 1)
        #expect(Set(registry.uploads).count == registry.uploads.count)
    }

    @Test("an image that was pulled is pushed elsewhere as it was, and has its own name there")
    func converted() async throws {
        var random = SeededRandom(seed: 12)
        let disk = someDisk(9 << 20, &random)
        let registry = MemoryRegistry()
        let manifest = try ForeignImages.tart(registry, disk: disk, storage: [1], layerSize: 4 << 20)
        let host = try Fixture()
        let name = try ImageReference(parsing: "registry.example/tart")
        let image = try await ImagePuller(store: host.store).pull(name, manifest: manifest, from: registry)
        let digest = try await ImagePusher(store: host.store).push(image.id, to: registry, tag: "native")
        let other = try Fixture()
        let native = try await ImagePuller(store: other.store).pull(
            name, manifest: try #require(registry.bytes(digest)), from: registry)
        #expect(try content(of: other.store, native) == disk)
        #expect(native.config == image.config)
    }

    @Test("damaged runs are named, and they alone come again")
    func verified() async throws {
        var random = SeededRandom(seed: 13)
        let disk = random.bytes(16 << 20) + [UInt8](repeating: 0, count: 8 << 20)
        let registry = MemoryRegistry()
        let host = try Fixture()
        _ = try host.add("guest", disk: try host.file("disk", disk))
        _ = try await ImagePusher(store: host.store).push("guest", to: registry, tag: nil)
        let verifier = ImageVerifier(store: host.store)
        #expect(try verifier.verify("guest").isNone)
        let image = try #require(try host.store.resolve("guest"))
        let path = try #require(host.store.disk(of: image)).path
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        for place in [5 << 20, 22 << 20] {
            try file.seek(toOffset: UInt64(place))
            try file.write(contentsOf: [7, 7, 7])
        }
        try file.close()
        let damage = try verifier.verify("guest")
        #expect(damage.runs.map(\.range.lowerBound) == [5 << 20, 22 << 20])
        #expect(damage.runs.map { $0.digest == nil } == [false, true])
        let counted = registry.copy()
        #expect(try await verifier.mend("guest", damage, from: counted) == 2)
        #expect(try verifier.verify("guest").isNone)
        #expect(try content(of: host.store, image) == disk)
        #expect(counted.served < 2 << 20)
        #expect(try host.files("/staging").isEmpty)
    }
}

@Suite(.enabled(if: DockerRegistry.isAvailable, "docker-registry is not installed: scripts/deps install test"))
struct RealRegistryImageTests {
    @Test("images of all formats go through a real registry, and a base's packs are taken over from its repository")
    func roundTrip() async throws {
        var random = Faults.random("real registry")
        let disk = someDisk(24 << 20, &random)
        try await DockerRegistry.run { registry in
            let host = try Fixture()
            let client = RegistryClient(logger: host.store.logger)
            let base = try ImageReference(parsing: "\(registry.address)/team/base:1")
            _ = try host.add(base.canonical, disk: try host.file("disk", disk))
            let repository = try await client.repository(base)
            let digest = try await ImagePusher(store: host.store, packLimit: 5 << 20)
                .push(base.canonical, to: repository, tag: "1")
            let resolved = try await repository.resolve("1")
            #expect(resolved.descriptor.digest == digest)

            let other = try Fixture()
            let image = try await ImagePuller(store: other.store).pull(
                base, manifest: resolved.bytes, from: repository)
            #expect(try content(of: other.store, image) == disk)

            var changed = disk
            changed.replaceSubrange(1 << 20..<1 << 20 + 500, with: repeatElement(9, count: 500))
            let child = try ImageReference(parsing: "\(registry.address)/team/child:1")
            _ = try await other.store.commit(
                ImageCommit(
                    name: child.canonical, base: image.id,
                    disks: [try other.file("changed", changed)]))
            let children = try await client.repository(child)
            _ = try await ImagePusher(store: other.store).push(child.canonical, to: children, tag: "1")
            let made = try await children.resolve("1")
            #expect(made.manifest.annotations?["org.opencontainers.image.base.digest"] == digest)
            let third = try Fixture()
            let pulled = try await ImagePuller(store: third.store).pull(child, manifest: made.bytes, from: children)
            #expect(try content(of: third.store, pulled) == changed)
            await client.shutdown()
        }
    }
}
