import Foundation
import NBD
import NIOConcurrencyHelpers
import NIOCore
import Registry
import Support
import Testing

@testable import VMImages

/// Images that are read while they are fetched.
@Suite struct LazyImageTests: LazySuite {
    let reference: ImageReference
    let registry = MemoryRegistry()
    let manifest: [UInt8]
    private let disk: [UInt8]
    private let frame = DiskIndex.chunkSize

    init() async throws {
        reference = try ImageReference(parsing: "registry.example/team/guest:1")
        var random = SeededRandom(seed: 5)
        disk = someDisk(40 << 20, &random)
        let fixture = try Fixture()
        _ = try fixture.add("guest", disk: try fixture.file("disk", disk))
        let digest = try await ImagePusher(store: fixture.store, packLimit: 8 << 20)
            .push("guest", to: registry, tag: nil)
        manifest = try #require(registry.bytes(digest))
    }

    private func expectWhole(_ fixture: Fixture) throws {
        let image = try #require(try fixture.store.resolve(id))
        #expect(image.isWhole)
        #expect(try content(of: fixture.store, image) == disk)
        #expect(try fixture.files("/staging").isEmpty)
        #expect(try ImageVerifier(store: fixture.store).verify(id).isNone)
    }

    @Test("an image is listed at once; reads bring their frames alone; when a guest has started the rest comes")
    func onDemand() async throws {
        let (fixture, source) = (try Fixture(), registry.copy())
        let begun = try #require(try await begin(fixture, source))
        #expect(!begun.isWhole && begun.id == id && begun.names == [reference.familiar])
        #expect(try fixture.store.list().map(\.isWhole) == [false])
        let before = source.served
        try await serving(fixture, source) { [self] image in
            let data = (0..<disk.count / frame).filter { number in
                disk[number * frame..<(number + 1) * frame].contains { $0 != 0 }
            }
            let one = data[0] * frame + 5000
            #expect(try await bytes(image, one..<one + 512) == Array(disk[one..<one + 512]))
            let border = try #require(data.dropFirst().first { data.contains($0 + 1) }) * frame + frame
            let across = border - 100..<border + 100
            #expect(try await bytes(image, across) == Array(disk[across]))
            let fetched = source.served - before
            #expect(fetched > 0 && fetched <= Int64(3 * (frame + 4096)))
            try await image.guestStarted()
        }
        try expectWhole(fixture)
        let all = OCIDigests.all(manifest).reduce(0) { $0 + registry.size($1) }
        #expect(source.served - before <= Int64(all), "nothing came twice")
    }

    @Test("many readers of one frame share one request; several images' servers do not meet")
    func shared() async throws {
        let (fixture, source) = (try Fixture(), registry.copy())
        _ = try await begin(fixture, source)
        let before = source.requests.count
        try await serving(fixture, source) { [self] image in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        let start = UInt64(frame + number * 1000)
                        let read = try await bytes(image, start..<start + 512)
                        #expect(read == Array(disk[Int(start)..<Int(start) + 512]))
                    }
                }
                for try await _ in group {}
            }
            #expect(source.requests.count == before + 1)
            try await image.guestStarted()
        }
        try expectWhole(fixture)
    }

    @Test("wrong content is never served, cuts and refusals pass")
    func faults() async throws {
        let (fixture, hits) = (try Fixture(), NIOLockedValueBox(0))
        let source = registry.copy { _, request in
            guard let range = request.range else { return nil }
            let hit = hits.withLockedValue { hits in
                hits += 1
                return hits
            }
            return switch hit % 4 {
            case 1: .flip(range.lowerBound + 20)
            case 2: .cut(range.count / 2)
            case 3: .status(.unavailable)
            default: nil
            }
        }
        _ = try await begin(fixture, registry)
        try await serving(fixture, source) { [self] image in
            for start in stride(from: 0, to: disk.count, by: 3_000_001) {
                let end = min(disk.count, start + 70_000)
                let read = try await bytes(image, UInt64(start)..<UInt64(end))
                #expect(read == Array(disk[start..<end]))
            }
            try await image.guestStarted()
        }
        #expect(hits.withLockedValue { $0 } > 4)
        try expectWhole(fixture)
    }

    @Test("what does not come is an error of that read after a while, and comes when it can")
    func patience() async throws {
        let (fixture, isAway) = (try Fixture(), NIOLockedValueBox(true))
        let source = registry.copy { _, _ in isAway.withLockedValue { $0 } ? .status(.forbidden) : nil }
        _ = try await begin(fixture, registry)
        try await serving(fixture, source) { [self] image in
            await #expect(throws: (any Error).self) { try await self.bytes(image, 0..<512) }
            isAway.withLockedValue { $0 = false }
            try await eventually("it is read") {
                do { return try await self.bytes(image, 0..<512) == Array(disk[..<512]) } catch { return false }
            }
            try await image.guestStarted()
        }
        try expectWhole(fixture)
    }

    @Test("a reader that goes away leaves nobody waiting")
    func cancelled() async throws {
        let fixture = try Fixture()
        let source = registry.copy { _, _ in .status(.unavailable) }
        _ = try await begin(fixture, registry)
        let image = try await LazyImage.open(id, in: fixture.store, timing: timing) { _ in source }
        let running = Task { try await image.run() }
        let reading = Task { try await self.bytes(image, 0..<512) }
        try await eventually("it waits") { source.requests.count > 0 }
        reading.cancel()
        await #expect(throws: CancellationError.self) { try await reading.value }
        running.cancel()
        await #expect(throws: (any Error).self) { try await running.value }
    }

    @Test("one that broke off goes on, as the same or as an ordinary pull; nothing comes twice")
    func goesOn() async throws {
        for isLazy in [true, false] {
            let (fixture, source) = (try Fixture(), registry.copy())
            _ = try await begin(fixture, source)
            do {
                let image = try await LazyImage.open(id, in: fixture.store, timing: timing) { _ in source }
                let running = Task { try await image.run() }
                _ = try await bytes(image, 0..<UInt64(2 * frame))
                running.cancel()
                _ = await running.result
            }
            let before = source.served
            if isLazy {
                try await serving(fixture, source) { try await $0.guestStarted() }
            } else {
                var puller = ImagePuller(store: fixture.store)
                puller.consideration = .zero
                let whole = try await puller.pull(reference, manifest: manifest, from: source)
                #expect(whole.isWhole)
            }
            try expectWhole(fixture)
            let packs = OCIDigests.all(manifest).reduce(0) { $0 + registry.size($1) }
            #expect(source.served - before <= Int64(packs - 1), "\(isLazy)")
        }
    }

    @Test("who wants all of it waits until another has fetched it")
    func waits() async throws {
        let (fixture, source) = (try Fixture(), registry.copy())
        _ = try await begin(fixture, source)
        let (manifest, another) = (manifest, fixture.another)
        try await serving(fixture, source) { [reference] image in
            let pull = Task {
                try await ImagePuller(store: another).pull(reference, manifest: manifest, from: source)
            }
            _ = try await self.bytes(image, 0..<512)
            try await image.guestStarted()
            #expect(try await pull.value.isWhole)
        }
        try expectWhole(fixture)
    }

    @Test("what a guest reads first is remembered, travels with the image, and is fetched first")
    func bootOrder() async throws {
        let (fixture, source) = (try Fixture(), registry.copy())
        _ = try await begin(fixture, source)
        try await serving(fixture, source) { [self] image in
            for number in [7, 2, 5] { _ = try await bytes(image, UInt64(number * frame)..<UInt64(number * frame + 10)) }
            try await image.guestStarted()
        }
        let pushed = MemoryRegistry()
        let digest = try await ImagePusher(store: fixture.store, packLimit: 8 << 20).push(id, to: pushed, tag: nil)
        let next = try #require(pushed.bytes(digest))
        let decoded: OCIManifest = try VMImageFormat.decode(next, "it")
        let layer = try #require(decoded.layers.first { $0.mediaType == BootOrder.mediaType })
        let order = BootOrder(parsing: try #require(pushed.bytes(layer.digest)))
        let data = [7, 2, 5].map { Int64($0 * frame) }.filter { offset in
            disk[Int(offset)..<min(disk.count, Int(offset) + frame)].contains { $0 != 0 }
        }
        #expect(order.runs.map(\.offset) == data && !data.isEmpty)

        // Another host: nobody reads, and these come all the same, and no others.
        let other = try Fixture()
        _ = try await ImagePuller(store: other.store).begin(
            reference, manifest: next, from: pushed,
            origin: LazySource(reference, credentials: nil, configuration: .init()))
        let image = try await LazyImage.open(digest, in: other.store, timing: timing) { _ in pushed }
        let running = Task { try await image.run() }
        try await eventually("they are there") {
            try PullJournal.Text(
                VMImagesTests.bytes(of: other.store.directory + "/staging/pull-\(digest.dropFirst(7))/journal")
            ).trusted(boot: try BootIdentity.read()).filter { if case .frame = $0 { true } else { false } }.count
                == data.count
        }
        running.cancel()
        _ = await running.result
    }

    @Test("nothing of an image that is being fetched is collected, and nothing is left of one that was removed")
    func collected() async throws {
        let (fixture, source) = (try Fixture(), registry.copy())
        _ = try await begin(fixture, source)
        #expect(try fixture.store.collect(keeping: .zero) { [] } == .init())
        try await serving(fixture, source) { try await $0.guestStarted() }
        try expectWhole(fixture)

        let again = try Fixture()
        _ = try await begin(again, source)
        let secret = again.store.directory + "/staging/pull-\(id.dropFirst(7))/source.json"
        #expect(FilePlaces.exists(secret))
        let mode = try FileManager.default.attributesOfItem(atPath: secret)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        // A machine made of it keeps it.
        #expect(try again.store.remove(reference.familiar) { [id] }?.isDeleted == false)
        #expect(FilePlaces.exists(secret))
        #expect(try again.store.collect { [] }.images == [id])
        #expect(!FilePlaces.exists(secret))
        #expect(try again.store.collect(keeping: .zero) { [] }.files > 0)
        #expect(try again.files().filter { !$0.hasSuffix("index.json") }.isEmpty)
    }

    @Test("an image that is not whole is not read from its beginning to its end")
    func refused() async throws {
        let fixture = try Fixture()
        _ = try await begin(fixture, registry)
        let error = await #expect(throws: VMImageError.self) {
            try await ImagePusher(store: fixture.store).push(id, to: MemoryRegistry(), tag: nil)
        }
        #expect(error?.message.contains("still being fetched") == true)
        let early = await #expect(throws: VMImageError.self) {
            try await fixture.store.commit(ImageCommit(name: "child", base: id, disks: [fixture.directory + "/none"]))
        }
        #expect(early?.message.contains("still being fetched") == true, "the disks are not looked at")
        #expect(throws: VMImageError.self) { try ImageVerifier(store: fixture.store).verify(id) }
    }

    @Test("a registry without ranges, another format: then it is an ordinary pull")
    func ordinary() async throws {
        let fixture = try Fixture()
        #expect(try await begin(fixture, registry.copy(hasRanges: false)) == nil)
        let tart = try ForeignImages.tart(registry, disk: disk, storage: [4, 5], layerSize: 4_500_480)
        let origin = LazySource(reference, credentials: nil, configuration: .init())
        let begun = try await ImagePuller(store: fixture.store).begin(
            reference, manifest: tart, from: registry, origin: origin)
        #expect(begun == nil)
        _ = try await ImagePuller(store: fixture.store).pull(reference, manifest: manifest, from: registry)
        try expectWhole(fixture)
    }

    @Test("where an image comes from is known to the next process, and never shown")
    func source() throws {
        let fixture = try Fixture()
        var rule = RegistryRule(host: "*.example")
        rule.mirrors = ["mirror.example/x"]
        var configuration = RegistryConfiguration()
        configuration.rules = [rule]
        for credentials: RegistryCredentials? in [
            nil, .anonymous, .basic(user: "u", password: "secret"), .identityToken("secret"), .registryToken("secret"),
        ] {
            let source = LazySource(reference, credentials: credentials, configuration: configuration)
            try source.write(to: fixture.directory + "/source.json")
            #expect(try LazySource(readingFrom: fixture.directory + "/source.json") == source)
            #expect(!"\(source)".contains("secret"))
            let timing = try source.configuration(environment: [:]).timing
            #expect(max(timing.answer, timing.silence) * 2 < LazyFetch.Timing().patience)
        }
        #expect(throws: VMImageError.self) { try LazySource(readingFrom: fixture.directory + "/none") }
    }
}
