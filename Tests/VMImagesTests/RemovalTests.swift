import Foundation
import Support
import Testing

@testable import VMImages

@Suite struct RemovalTests {
    @Test("data goes with the last name, and files that images share go with the last image")
    func lastName() throws {
        let fixture = try Fixture()
        let disk = try fixture.file("disk", size: 1 << 20, [(0, [1])])
        let image = try fixture.add("a:1", disk: disk)
        _ = try fixture.store.tag("a:1", as: "a:2")
        let other = try fixture.add("b", kernel: "other", disk: disk)
        let first = try #require(try fixture.store.remove("a:1") { [] })
        #expect(first.untagged == ["a:1"] && !first.isDeleted && first.id == image.id)
        #expect(try fixture.store.resolve("a:1") == nil)
        #expect(try fixture.store.resolve("a:2")?.id == image.id)
        let second = try #require(try fixture.store.remove("a:2") { [] })
        #expect(second.isDeleted)
        #expect(try fixture.store.resolve(image.id) == nil)
        // The disk is still the other image's.
        #expect(FileManager.default.fileExists(atPath: try #require(fixture.store.disk(of: other)).path))
        #expect(try fixture.store.remove("b") { [] }?.isDeleted == true)
        #expect(try fixture.files() == ["/index.json"])
        #expect(try fixture.store.remove("b") { [] } == nil)
    }

    @Test("an id takes all names; so does a name when that is asked for")
    func allNames() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a:1")
        _ = try fixture.store.tag("a:1", as: "b:1")
        let removal = try #require(try fixture.store.remove(String(image.id.dropFirst(7).prefix(8))) { [] })
        #expect(removal.untagged == ["a:1", "b:1"] && removal.isDeleted)
        _ = try fixture.add("a:1")
        _ = try fixture.store.tag("a:1", as: "b:1")
        #expect(try fixture.store.remove("b:1", allNames: true) { [] }?.untagged == ["a:1", "b:1"])
        _ = try fixture.add("a:1")
        #expect(try fixture.store.remove("a@\(image.id)") { [] }?.isDeleted == true)
    }

    @Test(
        "an image in use loses its name and keeps its data until it is unused", arguments: ["image", "kernel", "disk"])
    func inUse(by what: String) throws {
        let fixture = try Fixture()
        let image = try fixture.add("a", disk: try fixture.file("disk", size: 1 << 20, [(0, [1])]))
        guard case .kernel(let kernel, _, _) = image.config.boot else { return }
        let digest = ["image": image.id, "kernel": kernel, "disk": image.config.disks[0].digest][what] ?? ""
        let removal = try #require(try fixture.store.remove("a") { [digest] })
        #expect(removal.untagged == ["a:latest"] && !removal.isDeleted)
        let left = try #require(try fixture.store.resolve(image.id))
        #expect(left.names.isEmpty && left.digests.isEmpty)
        #expect(FileManager.default.fileExists(atPath: try #require(fixture.store.disk(of: left)).path))
        #expect(try fixture.store.collect { [digest] }.images.isEmpty)
        // A new name brings it back.
        #expect(try fixture.add("a", disk: try fixture.file("disk", size: 1 << 20, [(0, [1])])).id == image.id)
        _ = try fixture.store.remove("a") { [digest] }
        #expect(try fixture.store.collect { ["sha256:0"] }.images == [image.id])
        #expect(try fixture.files() == ["/index.json"])
    }

    @Test("an image whose name went to a newer one is collected; the newer one stays")
    func replaced() throws {
        let fixture = try Fixture()
        let old = try fixture.add("a", kernel: "old")
        let new = try fixture.add("a", kernel: "new")
        #expect(try Set(fixture.store.list().map(\.id)) == [old.id, new.id])
        #expect(try fixture.store.collect { [] }.images == [old.id])
        #expect(try fixture.store.list().map(\.id) == [new.id])
    }

    @Test("a leased image stays, for other processes too; the lease of a dead process is worth nothing")
    func leases() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a")
        var lease = try #require(try fixture.store.lease("a"))
        #expect(lease.image == image)
        #expect(lease.files == fixture.store.files(of: image))
        #expect(try fixture.another.remove("a") { [] }?.isDeleted == false)
        #expect(try fixture.another.collect { [] }.images.isEmpty)
        #expect(try fixture.store.lease("a") == nil)
        // Also without a name it can be leased by its id.
        let second = try #require(try fixture.store.lease(image.id))
        lease.release()
        lease = second
        #expect(try fixture.another.collect { [] }.images.isEmpty)
        lease.release()
        #expect(try fixture.another.collect { [] }.images == [image.id])

        _ = try fixture.add("b")
        try Data(image.id.utf8).write(to: URL(filePath: fixture.store.directory + "/leases/dead"))
        #expect(try fixture.store.remove("b") { [] }?.isDeleted == true)
        #expect(try fixture.files() == ["/index.json"])
    }

    @Test("a lease that ended while others waited is seen as the machine it became")
    func order() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a")
        let lease = try #require(try fixture.store.lease("a"))
        _ = try fixture.store.remove("a") { [] }
        // The machine is written, and the lease let go, between the two questions of a collection.
        let collected = try fixture.store.collect {
            lease.release()
            return [image.id]
        }
        #expect(collected.images.isEmpty)
    }

    @Test("what a crash may leave is removed: blobs without an image, an import's files, a half-written index")
    func orphans() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a")
        let before = try fixture.files()
        let orphan = String(repeating: "0", count: 64)
        for name in ["blobs/sha256/\(orphan)", "disks/sha256/\(orphan)", "index.json.7.9.tmp"] {
            try Data([1]).write(to: URL(filePath: "\(fixture.store.directory)/\(name)"))
        }
        let staging = fixture.store.directory + "/staging/00"
        try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: false)
        try Data([1]).write(to: URL(filePath: staging + "/lock"))
        try Data([1]).write(to: URL(filePath: staging + "/0-1"))
        try FileManager.default.createDirectory(
            atPath: fixture.store.directory + "/staging/01", withIntermediateDirectories: false)
        #expect(try fixture.store.collect { [] }.files == 5)
        #expect(try fixture.files() == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.store.directory + "/staging").isEmpty)
        #expect(try fixture.store.resolve("a") == image)
    }

    @Test("an import that is given up leaves nothing, at whatever byte")
    func cancelled() throws {
        struct Enough: Error {}
        let fixture = try Fixture()
        let disk = try fixture.file("disk", [UInt8](repeating: 7, count: 9 << 20))
        for limit in 1...4 {
            var reports = 0
            #expect(throws: Enough.self) {
                try fixture.store.importImage(try fixture.request("a", disk: disk)) { _ in
                    reports += 1
                    if reports == limit { throw Enough() }
                }
            }
            #expect(try fixture.files().isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.store.directory + "/staging").isEmpty)
        }
        #expect(try fixture.add("a", disk: disk).names == ["a:latest"])
    }

    @Test("an import for which there is no room says so before it begins, and leaves nothing")
    func noSpace() throws {
        let fixture = try Fixture()
        let disk = try fixture.file("disk", size: 1 << 30, [(0, [UInt8](repeating: 7, count: 9 << 20))])
        let request = try fixture.request("a", disk: disk)
        // Holes need no room: 9 MiB and what is left free decide, not 1 GiB.
        let full = ImageStore(directory: fixture.store.directory, logger: fixture.store.logger) { _ in 70 << 20 }
        let error = try #require(throws: VMImageError.self) { try full.importImage(request) }
        #expect(error.code == .noSpace)
        #expect(error.message.contains("takes 10 MiB") && error.message.contains("has 70 MiB"), "\(error)")
        #expect(error.message.contains(fixture.store.directory))
        #expect(try fixture.files().isEmpty)
        let enough = ImageStore(directory: fixture.store.directory, logger: fixture.store.logger) { _ in 80 << 20 }
        #expect(try enough.importImage(request).names == ["a:latest"])
    }

    @Test("an import under way is not collected")
    func underway() throws {
        let fixture = try Fixture()
        let disk = try fixture.file("disk", [UInt8](repeating: 7, count: 9 << 20))
        var collections = 0
        let image = try fixture.store.importImage(try fixture.request("a", disk: disk)) { _ in
            let collected = try fixture.another.collect { [] }
            #expect(collected.files == 0)
            collections += 1
        }
        #expect(collections >= 3)
        #expect(try bytes(of: try #require(fixture.store.disk(of: image)).path) == bytes(of: disk))
    }

    @Test("damage is said and costs nothing else: the image can be removed, and until then nothing is collected")
    func damage() throws {
        let fixture = try Fixture()
        let bad = try fixture.add("bad", kernel: "bad")
        let good = try fixture.add("good", kernel: "good")
        let manifest = "\(fixture.store.directory)/blobs/sha256/\(bad.id.dropFirst(7))"
        try Data("{}".utf8).write(to: URL(filePath: manifest))
        let another = fixture.another
        #expect(try another.list() == [good])
        #expect { try another.resolve("bad") } throws: { ($0 as? VMImageError)?.code == .badRecord }
        let error = try #require(throws: VMImageError.self) { try another.collect { [] } }
        #expect(error.message.contains("cri-shim image rm \(bad.id)"))
        #expect(try another.remove(bad.id) { [] }?.isDeleted == true)
        #expect(try another.list() == [good])

        try Data("{".utf8).write(to: URL(filePath: fixture.store.directory + "/index.json"))
        #expect { try another.list() } throws: { ($0 as? VMImageError)?.code == .badRecord }
        try Data("{\"schema\":9,\"images\":7}".utf8).write(to: URL(filePath: fixture.store.directory + "/index.json"))
        #expect { try another.list() } throws: { ($0 as? VMImageError)?.code == .newerRecord }
        #expect { try another.collect { [] } } throws: { ($0 as? VMImageError)?.code == .newerRecord }
    }
}
