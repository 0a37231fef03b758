import Foundation
import NBD
import NIOConcurrencyHelpers
import NIOCore
import Registry
import Support
import Testing

@testable import VMImages

/// Images that are read while they are fetched, and what goes wrong meanwhile.
@Suite struct LazyFaultTests: LazySuite {
    let reference: ImageReference
    let registry = MemoryRegistry()
    let manifest: [UInt8]
    private let disk: [UInt8]
    private let frame = DiskIndex.chunkSize

    init() async throws {
        reference = try ImageReference(parsing: "registry.example/team/guest:1")
        var random = SeededRandom(seed: 6)
        // A pack for each frame.
        disk = (1...5).flatMap { number -> [UInt8] in
            let noise = random.bytes(1 << 20)
            return noise + [UInt8](repeating: UInt8(number), count: DiskIndex.chunkSize - noise.count)
        }
        let fixture = try Fixture()
        _ = try fixture.add("guest", disk: try fixture.file("disk", disk))
        let digest = try await ImagePusher(store: fixture.store, packLimit: 2 << 20)
            .push("guest", to: registry, tag: nil)
        manifest = try #require(registry.bytes(digest))
    }

    private func staged(_ fixture: Fixture) -> String { fixture.store.directory + "/staging/pull-\(id.dropFirst(7))" }

    @Test("a pack that is lost holds up nothing else; who waits for all of it is told, and it comes when it can")
    func lost() async throws {
        let (fixture, isAway) = (try Fixture(), NIOLockedValueBox(true))
        try await begin(fixture)
        let decoded: OCIManifest = try VMImageFormat.decode(manifest, "it")
        let index = try #require(decoded.layers.first { $0.mediaType == PackIndex.mediaType })
        let packs = try PackIndex(parsing: try #require(registry.bytes(index.digest)))
        let first = try #require(packs.frames.first)
        let lost = packs.packs[first.pack].digest
        let source = registry.copy { _, request in
            request.digest == lost && isAway.withLockedValue { $0 } ? .status(.notFound) : nil
        }
        let another = fixture.another
        try await serving(fixture, source) { [self] image in
            let place = Int(first.offset)
            await #expect(throws: (any Error).self) { try await self.bytes(image, place..<place + 512) }
            try await image.guestStarted()
            let others = Set(packs.packs.map(\.digest)).subtracting([lost])
            try await eventually("everything else is fetched") { others.isSubset(of: source.requests.map(\.digest)) }
            let error = await #expect(throws: VMImageError.self) {
                try await ImagePuller(store: another).pull(reference, manifest: manifest, from: source)
            }
            #expect(error.map { "\($0)".contains("a fault") } == true, "\(String(describing: error))")
            isAway.withLockedValue { $0 = false }
        }
        let image = try #require(try fixture.store.resolve(id))
        #expect(image.isWhole)
        #expect(try content(of: fixture.store, image) == disk)
    }

    @Test("what another image has is verified before a guest sees it; what is damaged there is fetched")
    func rot() async throws {
        let fixture = try Fixture()
        // The same but for its last bytes, and damaged since.
        let other = try fixture.add("other", disk: try fixture.file("other", Array(disk.dropLast(8)) + [UInt8](1...8)))
        let path = try #require(fixture.store.disk(of: other)).path
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.seek(toOffset: UInt64(frame + 1000))
        try file.write(contentsOf: Data(disk[(frame + 1000)..<(frame + 1008)].map { ~$0 }))
        try file.close()
        try await begin(fixture)
        let source = registry.copy()
        try await serving(fixture, source) { [self] image in
            for start in [2 * frame, frame] {
                #expect(try await bytes(image, start..<start + 4096) == Array(disk[start..<start + 4096]))
            }
            #expect(source.requests.count == 1, "one was damaged")
            try await image.guestStarted()
        }
        let image = try #require(try fixture.store.resolve(id))
        #expect(try content(of: fixture.store, image) == disk)
    }

    @Test("credentials go with what needs them, also when somebody was killed")
    func credentials() async throws {
        let fixture = try Fixture()
        let secret = staged(fixture) + "/source.json"
        func leave() throws {
            try FileManager.default.createDirectory(atPath: staged(fixture), withIntermediateDirectories: true)
            for name in ["lock", "journal", "source.json"] {
                try Data().write(to: URL(filePath: staged(fixture) + "/" + name))
            }
        }
        // Killed before the image was listed: what came stays, and who goes on brings his own.
        try leave()
        _ = try fixture.store.collect { [] }
        #expect(!FilePlaces.exists(secret) && FilePlaces.exists(staged(fixture) + "/journal"))
        // Killed when it was whole, and before what was staged had gone.
        _ = try await ImagePuller(store: fixture.store).pull(reference, manifest: manifest, from: registry)
        try leave()
        _ = try fixture.store.collect { [id] }
        #expect(!FilePlaces.exists(staged(fixture)))
    }

    #if os(Linux)
    @Test("an image that is whole keeps no file of another open, however long it is served")
    func closed() async throws {
        let fixture = try Fixture()
        let other = try fixture.add("other", disk: try fixture.file("other", Array(disk.dropLast(8)) + [UInt8](1...8)))
        let path = try #require(fixture.store.disk(of: other)).path
        try await begin(fixture)
        try await serving(fixture, registry.copy()) { image in
            #expect(try Self.isOpen(path))
            try await image.guestStarted()
            try await eventually("it is let go") { try !Self.isOpen(path) }
        }
    }

    /// Whether this process has a file open.
    private static func isOpen(_ path: String) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").contains { name in
            do {
                return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name) == path
            } catch {
                return false  // closed between the two looks
            }
        }
    }
    #endif
}
