import Foundation
import Support
import Testing

@testable import VMImages

@Suite struct UnusedImageTests {
    /// Makes an image look as if it had been used and imported so many seconds ago.
    private func age(_ fixture: Fixture, _ id: String, _ seconds: Int64) throws {
        try fixture.store.change { index in
            for place in index.images.indices where index.images[place].id == id {
                index.images[place].importedAt = ImageStore.now() - seconds * 1_000_000_000
            }
        }
    }

    @Test("the longest unused comes first, and what a machine has is not among them")
    func order() throws {
        let fixture = try Fixture()
        let images = try ["a", "b", "c", "d"].map { try fixture.add($0, kernel: $0) }
        for (number, image) in images.enumerated() { try age(fixture, image.id, Int64(1000 * (4 - number))) }
        try fixture.store.markUsed([images[0].id])
        let found = try fixture.store.unused { [images[2].id] }
        #expect(found.map(\.image.names) == [["b:latest"], ["d:latest"], ["a:latest"]])
        // Another process sees the same.
        #expect(try fixture.another.unused { [images[2].id] }.map(\.image.id) == found.map(\.image.id))
    }

    @Test("what images share keeps only those that nothing else explains")
    func shared() throws {
        let fixture = try Fixture()
        let disk = try fixture.file("disk", size: 1 << 20, [(0, [1])])
        let first = try fixture.add("a", kernel: "a", disk: disk)
        let second = try fixture.add("b", kernel: "b", disk: disk)
        let digest = first.config.disks[0].digest
        #expect(try fixture.store.unused { [first.id, digest] }.map(\.image.id) == [second.id])
        // Nobody says of which image it is.
        #expect(try fixture.store.unused { [digest] }.isEmpty)
    }

    @Test("an image that goes takes its names and its data; one that was used meanwhile stays")
    func removal() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a:1", disk: try fixture.file("disk", size: 1 << 20, [(0, [1])]))
        _ = try fixture.store.tag("a:1", as: "a:2")
        try age(fixture, image.id, 5000)
        let found = try #require(try fixture.store.unused { [] }.first)
        #expect(try fixture.store.remove(found) { [image.id] } == nil)
        let lease = try #require(try fixture.another.lease("a:1"))
        #expect(try fixture.store.remove(found) { [] } == nil)
        lease.release()
        try fixture.another.pin("a:2")
        #expect(try fixture.store.remove(found) { [] } == nil)
        try fixture.another.unpin("a:2")
        try fixture.another.markUsed([image.id])
        #expect(try fixture.store.remove(found) { [] } == nil)
        #expect(try fixture.store.resolve("a:1")?.names == ["a:1", "a:2"])
        let again = try #require(try fixture.store.unused { [] }.first)
        let removed = try #require(try fixture.store.remove(again) { [] })
        #expect(removed.images == [image.id] && removed.bytes > 0)
        #expect(try fixture.files() == ["/index.json"])
        #expect(try fixture.store.remove(again) { [] } == nil)
    }

    @Test("a name's pin goes with the name, to another image or away; an id's with the image")
    func pins() throws {
        let fixture = try Fixture()
        let old = try fixture.add("a", kernel: "old")
        #expect(try fixture.store.pin("a").isPinned)
        #expect(try fixture.store.unused { [] }.isEmpty)
        let new = try fixture.add("a", kernel: "new")
        #expect(new.isPinned)
        #expect(try fixture.store.collect { [] }.images == [old.id])
        _ = try fixture.store.remove("a") { [] }
        #expect(try !fixture.add("a", kernel: "new").isPinned)

        try fixture.store.pin(String(new.id.dropFirst(7).prefix(12)))
        _ = try fixture.add("a", kernel: "newest")
        // Without a name, and all the same.
        #expect(try fixture.store.collect { [] }.images.isEmpty)
        #expect(try fixture.store.resolve(new.id)?.isPinned == true)
        #expect(try fixture.store.unpin(new.id).isPinned == false)
        #expect(try fixture.store.collect { [] }.images == [new.id])
        try fixture.store.pin("a")
        #expect(try fixture.store.remove("a") { [] }?.isDeleted == true)
        #expect(throws: VMImageError.self) { try fixture.store.pin("a") }
    }

    @Test("unfinished pulls go when nobody is at them")
    func unfinished() throws {
        let fixture = try Fixture()
        _ = try fixture.add("a")
        let digest = "sha256:" + String(repeating: "a", count: 64)
        var staging = try PullStaging.open(fixture.store.layout, manifest: digest)
        let directory = try #require(staging?.directory)
        #expect(try fixture.another.removeUnfinished(keeping: .zero).files == 0)
        staging = nil
        #expect(try fixture.another.removeUnfinished(keeping: .seconds(3600)).files == 0)
        #expect(FileManager.default.fileExists(atPath: directory))
        #expect(try fixture.another.removeUnfinished(keeping: .zero).files == 1)
        #expect(!FileManager.default.fileExists(atPath: directory))
    }
}

extension ImageStore {
    fileprivate func unused(_ inUse: () -> Set<String>) throws -> [UnusedImage] { try unused(inUse: inUse()) }
}
