import NBD
import NIOCore
import Registry
import Testing

@testable import VMImages

/// What serving an image while it is fetched is made of.
@Suite struct LazyPartsTests {
    private static let id = "sha256:" + String(repeating: "a", count: 64)

    @Test("as long as a machine holds an image's place it is left as it is")
    func place() throws {
        let fixture = try Fixture()
        let place = LazyPlace(image: Self.id, state: fixture.directory)
        try place.hold("machine")
        try FilePlaces.remove(place.directory + "/lock")
        #expect(try !place.retire())
        #expect(!FilePlaces.exists(place.directory + "/lock"), "whoever watches the place would hear of it")
        #expect(try LazyPlace.existing(state: fixture.directory) == [place])
        try place.release("machine")
        #expect(try place.retire())
        try place.remove()
        #expect(try LazyPlace.existing(state: fixture.directory).isEmpty)
    }

    @Test("behind the last byte of a disk there are zeros, up to the end of its last sector")
    func end() async throws {
        let fixture = try Fixture()
        let file = try OpenFile.reading(try fixture.file("some", [UInt8](repeating: 7, count: 1000)))
        let disk = LazyDisk(number: 0, file: file, length: 1000, runs: [0: 0], fetch: nil)
        #expect(disk.size == 1024)
        #expect(try await disk.read(1010..<1024) == [.data(ByteBuffer(repeating: 0, count: 14))])
        #expect(try await disk.read(998..<1002) == [.data(ByteBuffer(bytes: [7, 7, 0, 0]))])
    }

    // MARK: Credentials that change

    /// Refuses everything; a request for all of a blob only when it is let go.
    private struct Refusing: BlobSource {
        let asked: AsyncStream<Void>.Continuation
        let released: AsyncStream<Void>

        func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream {
            if range == nil {
                asked.yield()
                for await _ in released {}
            }
            throw RegistryError(.unauthorized, "no")
        }
    }

    @Test("of several requests that are refused at once each finds the better credentials")
    func reloading() async throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/source.json"
        let reference = try ImageReference(parsing: "registry.example/team/guest:1")
        let old = LazySource(reference, credentials: .basic(user: "u", password: "old"), configuration: .init())
        try old.write(to: path)
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let (released, release) = AsyncStream.makeStream(of: Void.self)
        let registry = MemoryRegistry()
        let blob = registry.add([1, 2, 3], "x/y")
        let source = ReloadingSource(path: path) { (source) async throws -> any BlobSource in
            if source == old { return Refusing(asked: ask, released: released) }
            return registry
        }
        await #expect(throws: RegistryError.self) { try await source.blob(blob, range: 0..<3) }
        let late = Task { try await source.blob(blob, range: nil).collect(upTo: 3) }
        for await _ in asked { break }
        let new = LazySource(reference, credentials: .basic(user: "u", password: "new"), configuration: .init())
        try new.write(to: path)
        let early = try await source.blob(blob, range: 0..<3).collect(upTo: 3)
        release.finish()
        #expect(try await late.value == early)
    }
}
