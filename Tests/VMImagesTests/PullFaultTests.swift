import NIOConcurrencyHelpers
import Registry
import Support
import Testing

@testable import VMImages

@Suite struct PullFaultTests {
    private let reference: ImageReference
    private let disk: [UInt8]
    private let registry = MemoryRegistry()
    private let manifests: [(name: String, bytes: [UInt8])]

    init() async throws {
        reference = try ImageReference(parsing: "registry.example/team/mac:15")
        var random = Faults.random("pull faults")
        disk = someDisk(20 << 20, &random)
        let fixture = try Fixture()
        _ = try fixture.add("guest", disk: try fixture.file("disk", disk))
        let digest = try await ImagePusher(store: fixture.store, packLimit: 2 << 20)
            .push("guest", to: registry, tag: nil)
        manifests = [
            ("native", try #require(registry.bytes(digest))),
            (
                "Agoda",
                try ForeignImages.agoda(registry, disk: disk, storage: [1, 2, 3], isConfigInPlace: false)
            ),
            ("Tart", try ForeignImages.tart(registry, disk: disk, storage: [4, 5], layerSize: 4_500_480)),
        ]
    }

    /// Pulls, and compares.
    private func pull(_ manifest: [UInt8], from source: MemoryRegistry, into fixture: Fixture) async throws {
        let image = try await ImagePuller(store: fixture.store).pull(reference, manifest: manifest, from: source)
        #expect(try content(of: fixture.store, image) == disk)
        #expect(try fixture.files("/staging").isEmpty)
    }

    /// Fewer requests than a whole pull makes.
    private func someRequests(_ manifest: [UInt8]) async throws -> Int {
        let source = registry.copy()
        try await pull(manifest, from: source, into: try Fixture())
        return min(source.requests.count - 1, 5)
    }

    @Test("a transfer that is cut goes on where it was", arguments: [true, false])
    func cut(hasRanges: Bool) async throws {
        for (name, manifest) in manifests {
            var random = Faults.random("cut \(name)")
            let cuts = (0..<6).map { _ in Int.random(in: 0...3_000_000, using: &random) }
            let source = registry.copy(hasRanges: hasRanges) { number, _ in
                number < cuts.count * 2 && number % 2 == 0 ? .cut(cuts[number / 2]) : nil
            }
            let fixture = try Fixture()
            try await pull(manifest, from: source, into: fixture)
            if hasRanges {
                let all = OCIDigests.all(manifest).reduce(0) { $0 + registry.size($1) }
                // At most one frame or piece for each cut comes again.
                #expect(source.served <= Int64(all + (cuts.count + 1) << 20), "\(name)")
            }
        }
    }

    @Test("a flipped bit in any blob is found, and only what it damaged comes again")
    func flipped() async throws {
        for (name, manifest) in manifests {
            for digest in OCIDigests.all(manifest) where registry.size(digest) > 0 {
                var random = SeededRandom(seed: UInt64(registry.size(digest)))
                let place = Int64.random(in: 0..<Int64(registry.size(digest)), using: &random)
                let hit = NIOLockedValueBox(false)
                let source = registry.copy { _, request in
                    guard request.digest == digest, request.range.map({ $0.contains(place) }) ?? true else {
                        return nil
                    }
                    return hit.withLockedValue { hit in
                        defer { hit = true }
                        return hit ? nil : .flip(place)
                    }
                }
                try await pull(manifest, from: source, into: try Fixture())
                #expect(!hit.withLockedValue { $0 } || source.requests.count > 1, "\(name) \(digest)")
            }
        }
    }

    @Test("content that stays wrong is refused by the name of its blob, and leaves no image")
    func wrong() async throws {
        for (name, manifest) in manifests {
            for digest in OCIDigests.all(manifest) where registry.size(digest) > 100 {
                let source = registry.copy { _, request in request.digest == digest ? .other : nil }
                let fixture = try Fixture()
                await #expect("\(name) \(digest)") { () async throws in
                    try await pull(manifest, from: source, into: fixture)
                } throws: {
                    guard let error = $0 as? VMImageError else { return false }
                    return error.code == .corrupt && error.message.contains(digest)
                }
                #expect(source.requests.filter { $0.digest == digest }.count <= 24)
                #expect(try fixture.store.list().isEmpty)
                // What was right is used when the registry is.
                let mended = registry.copy()
                try await pull(manifest, from: mended, into: fixture)
            }
        }
    }

    @Test("a registry that is away for good is named, and what came before is not fetched again")
    func away() async throws {
        for (name, manifest) in manifests where name != "Agoda" {
            let fixture = try Fixture()
            let limit = try await someRequests(manifest)
            let source = registry.copy { number, _ in number < limit ? nil : .status(.forbidden) }
            await #expect(throws: RegistryError.self) { () async throws in
                try await pull(manifest, from: source, into: fixture)
            }
            let second = registry.copy()
            try await pull(manifest, from: second, into: fixture)
            let all = OCIDigests.all(manifest).reduce(0) { $0 + registry.size($1) }
            let small = 200_000
            #expect(second.served < Int64(all), "\(name): \(second.served) of \(all) after \(source.served)")
            #expect(source.served + second.served <= Int64(all + small + 16 << 20), "\(name)")
        }
    }

    @Test("a pull that is cancelled ends at once, and the next one goes on")
    func cancelled() async throws {
        let manifest = manifests[0].bytes
        let fixture = try Fixture()
        let reached = AsyncStream<Void>.makeStream()
        let source = registry.copy { number, _ in
            if number == 4 { reached.continuation.yield() }
            return number < 4 ? nil : .cut(10)
        }
        let (puller, reference) = (ImagePuller(store: fixture.store), reference)
        let task = Task { try await puller.pull(reference, manifest: manifest, from: source) }
        for await _ in reached.stream { break }
        task.cancel()
        await #expect(throws: (any Error).self) { () async throws in try await task.value }
        try await pull(manifest, from: registry.copy(), into: fixture)
    }

    @Test("many who want the same image fetch it once")
    func together() async throws {
        let manifest = manifests[2].bytes
        let fixture = try Fixture()
        let source = registry.copy()
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<4 {
                let reference = try ImageReference(parsing: "registry.example/image:\(number)")
                let store = number % 2 == 0 ? fixture.store : fixture.another
                group.addTask {
                    try await ImagePuller(store: store).pull(reference, manifest: manifest, from: source).id
                }
            }
            #expect(Set(try await group.reduce(into: []) { $0.append($1) }).count == 1)
        }
        #expect(Set(source.requests).count == source.requests.count)
        #expect(try fixture.store.list().first?.names.count == 4)
    }

    @Test("what an unfinished pull has brought stays for a day, and goes with a prune")
    func unfinished() async throws {
        let fixture = try Fixture()
        let limit = try await someRequests(manifests[0].bytes)
        let source = registry.copy { number, _ in number < limit ? nil : .status(.forbidden) }
        _ = try? await pull(manifests[0].bytes, from: source, into: fixture)
        #expect(try !fixture.files("/staging").isEmpty)
        try fixture.another.collect { [] }
        #expect(try !fixture.files("/staging").isEmpty)
        try fixture.another.collect(keeping: .zero) { [] }
        #expect(try fixture.files("/staging").isEmpty)
    }
}
