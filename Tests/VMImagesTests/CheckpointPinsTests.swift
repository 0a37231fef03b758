import Foundation
import Testing

@testable import VMImages

@Suite struct CheckpointPinsTests {
    private func make(_ path: String, whole: Bool) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if whole { try Data("{}".utf8).write(to: URL(filePath: path + "/checkpoint.json")) }
    }

    @Test("an image stays for a checkpoint while that is made and while it is there, and goes with it")
    func life() throws {
        let fixture = try Fixture()
        let image = try fixture.add("a", disk: try fixture.file("disk", size: 1 << 20, [(0, [1])]))
        let root = fixture.directory
        let pins = CheckpointPins(root: root)
        #expect(try pins.digests().isEmpty)
        let pin = CheckpointPins.Pin(
            location: root + "/saved", draft: root + "/saved.partial", digests: [image.id])
        try make(pin.draft, whole: false)
        try pins.add(pin)
        let inUse = { try MachineReferences.digests(ofRoot: root) }
        let removal = try #require(try fixture.store.remove("a", inUse: inUse))
        #expect(removal.untagged == ["a:latest"] && !removal.isDeleted)
        try make(pin.draft, whole: true)
        try FileManager.default.moveItem(atPath: pin.draft, toPath: pin.location)
        #expect(try fixture.store.collect(inUse: inUse).images.isEmpty)
        // Restored by the image's id, as its names are gone.
        let lease = try #require(try fixture.store.lease(image.id))
        #expect(FileManager.default.fileExists(atPath: lease.files.disks[0].path))
        lease.release()

        try FileManager.default.removeItem(atPath: pin.location)
        #expect(try fixture.store.collect(inUse: inUse).images == [image.id])
        #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/checkpoints").isEmpty)
    }

    @Test("a checkpoint that took a removed one's place needs its own image only")
    func replaced() throws {
        let fixture = try Fixture()
        let pins = CheckpointPins(root: fixture.directory)
        let place = fixture.directory + "/saved"
        try make(place, whole: true)
        try pins.add(.init(location: place, draft: place + ".1", digests: ["sha256:1"]))
        try pins.add(.init(location: place, draft: place + ".2", digests: ["sha256:2"]))
        #expect(try pins.digests() == ["sha256:2"])
    }

    @Test("one on a file system that is not there now may come back")
    func unmounted() throws {
        let fixture = try Fixture()
        let pins = CheckpointPins(root: fixture.directory)
        let mount = fixture.directory + "/mount"
        try make(mount + "/draft", whole: true)
        try pins.add(.init(location: mount + "/saved", draft: mount + "/draft", digests: ["sha256:1"]))
        try FileManager.default.removeItem(atPath: mount)
        #expect(try pins.digests() == ["sha256:1"])
        try make(mount, whole: false)
        #expect(try pins.digests().isEmpty)
    }

    @Test(
        "what a newer program wrote, or damage, is named, and nothing is removed", arguments: [#"{"schema":9}"#, "{"])
    func unreadable(_ text: String) throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/checkpoints/x.json"
        try make(fixture.directory + "/checkpoints", whole: false)
        try Data(text.utf8).write(to: URL(filePath: path))
        let error = #expect(throws: VMImageError.self) {
            try CheckpointPins(root: fixture.directory).digests()
        }
        #expect(error?.message.contains(path) == true)
        #expect(FileManager.default.fileExists(atPath: path))
    }
}
