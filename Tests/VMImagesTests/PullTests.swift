import Foundation
import Registry
import Support
import Testing

@testable import VMImages

/// A disk of several runs of 1 MiB: zeros, text, noise.
func someDisk(_ size: Int, _ random: inout SeededRandom) -> [UInt8] {
    let text = [UInt8](repeating: (0..<8192).map { UInt8(truncatingIfNeeded: $0 >> 5) }, size: 1 << 20)
    var bytes: [UInt8] = []
    while bytes.count < size {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes += [UInt8](repeating: 0, count: Int.random(in: 1...(5 << 20), using: &random))
        case 1: bytes += text
        default: bytes += random.bytes(1 << 20)
        }
    }
    return Array(bytes.prefix(size))
}

func content(of store: ImageStore, _ image: VMImage) throws -> [UInt8] {
    try bytes(of: try #require(store.disk(of: image)).path)
}

@Suite struct PullTests {
    private func reference(_ text: String = "registry.example/team/mac:15") throws -> ImageReference {
        try ImageReference(parsing: text)
    }

    /// An image pushed by one host.
    private func pushed(
        _ disk: [UInt8], to registry: MemoryRegistry, packLimit: Int64 = PackIndex.packLimit
    ) async throws -> [UInt8] {
        let fixture = try Fixture()
        _ = try fixture.add("guest", disk: try fixture.file("disk", disk))
        let digest = try await ImagePusher(store: fixture.store, packLimit: packLimit)
            .push("guest", to: registry, tag: "15")
        return try #require(registry.bytes(digest))
    }

    @Test("an image of our own comes back as it was, with ranges and without", arguments: [true, false])
    func native(hasRanges: Bool) async throws {
        var random = Faults.random("native")
        let disk = someDisk(24 << 20, &random)
        let made = MemoryRegistry()
        let manifest = try await pushed(disk, to: made, packLimit: 5 << 20)
        let registry = made.copy(hasRanges: hasRanges)
        let fixture = try Fixture()
        let image = try await ImagePuller(store: fixture.store).pull(reference(), manifest: manifest, from: registry)
        #expect(image.id == "sha256:" + SHA256.hex(of: manifest))
        #expect(image.names == ["registry.example/team/mac:15"])
        #expect(try content(of: fixture.store, image) == disk)
        guard case .kernel(let path, nil, "console=ttyS0") = fixture.store.files(of: image).boot else {
            Issue.record("\(image.config.boot)")
            return
        }
        #expect(try bytes(of: path) == Array("kernel".utf8))
        #expect(try allocated(#require(fixture.store.disk(of: image)).path) < 25 << 20)
        #expect(try fixture.files("/staging").isEmpty)
        // Another process sees it, and nothing of it is taken for rubbish.
        let before = try fixture.files()
        try fixture.another.collect { [] }
        #expect(try fixture.files() == before)
        #expect(try fixture.another.resolve("registry.example/team/mac@\(image.id)")?.id == image.id)
        // No byte came twice where the registry serves what is asked for.
        if hasRanges { #expect(Set(registry.requests).count == registry.requests.count) }
        let all = OCIDigests.all(manifest).reduce(0) { $0 + registry.size($1) }
        #expect(registry.served <= Int64(all))
    }

    @Test("a second pull of the same image fetches nothing")
    func again() async throws {
        var random = SeededRandom(seed: 7)
        let registry = MemoryRegistry()
        let manifest = try await pushed(someDisk(8 << 20, &random), to: registry)
        let fixture = try Fixture()
        let puller = ImagePuller(store: fixture.store)
        let first = try await puller.pull(reference(), manifest: manifest, from: registry)
        let requests = registry.requests.count
        let second = try await puller.pull(reference("registry.example/other"), manifest: manifest, from: registry)
        #expect(registry.requests.count == requests)
        #expect(second.id == first.id)
        #expect(second.names == ["registry.example/other:latest", "registry.example/team/mac:15"])
        let third = try await puller.pull(
            reference("registry.example/team/mac@\(first.id)"), manifest: manifest, from: registry)
        #expect(third.names == second.names)
    }

    @Test("only the runs that no image of this host has are fetched")
    func changed() async throws {
        var random = Faults.random("changed")
        let disk = someDisk(32 << 20, &random)
        var next = disk
        for place in [3 << 20, 17 << 20] {
            next.replaceSubrange(place..<place + 1000, with: repeatElement(7, count: 1000))
        }
        let registry = MemoryRegistry()
        let first = try await pushed(disk, to: registry)
        let second = try await pushed(next, to: registry)
        let fixture = try Fixture()
        let puller = ImagePuller(store: fixture.store)
        _ = try await puller.pull(reference(), manifest: first, from: registry)
        let counted = registry.copy()
        let image = try await puller.pull(reference("registry.example/next"), manifest: second, from: counted)
        #expect(try content(of: fixture.store, image) == next)
        #expect(counted.served < 9 << 20)
    }

    @Test("an image that has a disk of another one fetches nothing of it")
    func sameDisk() async throws {
        var random = SeededRandom(seed: 9)
        let disk = someDisk(12 << 20, &random)
        let registry = MemoryRegistry()
        let manifest = try await pushed(disk, to: registry)
        let fixture = try Fixture()
        _ = try fixture.add("other", kernel: "another kernel", disk: try fixture.file("disk", disk))
        let counted = registry.copy()
        let image = try await ImagePuller(store: fixture.store).pull(reference(), manifest: manifest, from: counted)
        #expect(try content(of: fixture.store, image) == disk)
        #expect(counted.served < 100_000)
    }

    @Test("Agoda's images come as raw disks, wherever their config is", arguments: [true, false], [true, false])
    func agoda(isConfigInPlace: Bool, isCompressed: Bool) async throws {
        var random = Faults.random("Agoda")
        let disk = someDisk((9 << 20) + 512, &random)
        let storage = Array("auxiliary storage".utf8)
        let registry = MemoryRegistry()
        let manifest = try ForeignImages.agoda(
            registry, disk: disk, storage: storage, isConfigInPlace: isConfigInPlace, isCompressed: isCompressed)
        let fixture = try Fixture()
        let image = try await ImagePuller(store: fixture.store).pull(reference(), manifest: manifest, from: registry)
        #expect(image.config.os == .macos)
        #expect(image.id == "sha256:" + SHA256.hex(of: manifest))
        #expect(try content(of: fixture.store, image) == disk)
        guard case .mac(let model, let auxiliary) = fixture.store.files(of: image).boot else {
            Issue.record("\(image.config.boot)")
            return
        }
        #expect(try bytes(of: model) == ForeignImages.hardwareModel)
        #expect(try bytes(of: auxiliary) == storage)
        #expect(try fixture.files().allSatisfy { !$0.contains("disk.img") })
        let read = try DiskCopy(advanced: { _ in }).read(
            .reading(#require(fixture.store.disk(of: image)).path), writingTo: nil)
        #expect("sha256:" + SHA256.hex(of: read.bytes) == image.config.disks[0].digest)
    }

    @Test("Tart's images come as raw disks, however their layers are cut", arguments: [1 << 20, 5_000_192, 8 << 20])
    func tart(layerSize: Int) async throws {
        var random = Faults.random("Tart")
        let disk = someDisk((18 << 20) + 1024, &random)
        let registry = MemoryRegistry()
        let manifest = try ForeignImages.tart(registry, disk: disk, storage: Array("nvram".utf8), layerSize: layerSize)
        let fixture = try Fixture()
        let image = try await ImagePuller(store: fixture.store).pull(reference(), manifest: manifest, from: registry)
        #expect(image.config.cpus == 4)
        #expect(image.config.memoryBytes == 8 << 30)
        #expect(try content(of: fixture.store, image) == disk)
        let read = try DiskCopy(advanced: { _ in }).read(
            .reading(#require(fixture.store.disk(of: image)).path), writingTo: nil)
        #expect("sha256:" + SHA256.hex(of: read.bytes) == image.config.disks[0].digest)
        let linux = try ForeignImages.tart(
            registry, disk: disk, storage: Array("nvram".utf8), layerSize: layerSize, os: "linux")
        let guest = try await ImagePuller(store: fixture.store).pull(
            reference("registry.example/linux"), manifest: linux, from: registry)
        #expect(guest.config.os == .linux)
    }

    @Test("a container image is no machine's")
    func container() async throws {
        let fixture = try Fixture()
        let registry = MemoryRegistry()
        let config = registry.add(Array("{}".utf8), "application/vnd.oci.image.config.v1+json")
        let manifest = OCIManifest(
            config: config, layers: [registry.add([1], "application/vnd.oci.image.layer.v1.tar")])
        #expect(VMImageFormat(manifest) == nil)
        let bytes = try JSONText.bytes(manifest)
        await #expect { () async throws in
            try await ImagePuller(store: fixture.store).pull(reference(), manifest: bytes, from: registry)
        } throws: {
            ($0 as? VMImageError)?.code == .invalidArgument
        }
    }

    @Test("no room is said before anything is fetched")
    func space() async throws {
        var random = SeededRandom(seed: 5)
        let registry = MemoryRegistry()
        let manifest = try await pushed(someDisk(8 << 20, &random), to: registry)
        let fixture = try Fixture()
        let full = ImageStore(directory: fixture.store.directory, logger: fixture.store.logger) { _ in 60 << 20 }
        let counted = registry.copy()
        await #expect { () async throws in
            try await ImagePuller(store: full).pull(reference(), manifest: manifest, from: counted)
        } throws: {
            ($0 as? VMImageError)?.code == .noSpace
        }
        #expect(counted.served < 10_000)
    }
}

enum OCIDigests {
    static func all(_ manifest: [UInt8]) -> [String] {
        guard let decoded = try? JSONDecoder().decode(OCIManifest.self, from: Data(manifest)) else { return [] }
        return ([decoded.config] + decoded.layers).map(\.digest)
    }
}
