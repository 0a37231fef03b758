import Foundation
import HostFiles
import Logging
import Proto
import Support
import Testing
import VMImages

@testable import CRIShim

@Suite struct VMImageCollectorTests {
    private struct Node {
        var store: ImageStore
        var directory: String
        var log = RecordingLog()

        init(_ directory: String) {
            self.directory = directory
            store = ImageStore(directory: directory + "/images", logger: Logger(label: "test"))
        }

        func add(_ name: String) throws -> VMImage {
            let kernel = directory + "/kernel"
            try AtomicFile.write(Array(name.utf8), to: kernel, mode: 0o600)
            return try store.importImage(
                ImageImport(name: name, boot: .kernel(path: kernel, initrd: nil, commandLine: "")))
        }

        func machine(of image: VMImage) throws {
            try FileManager.default.createDirectory(
                atPath: directory + "/machines/m", withIntermediateDirectories: true)
            try AtomicFile.write(
                Array("{\"image\":\"\(image.id)\"}".utf8), to: directory + "/machines/m/config.json", mode: 0o600)
        }

        /// - Parameters:
        ///   - later: how many seconds from now it is.
        ///   - full: percent of the disk.
        func collector(
            _ policy: ImageCollectionPolicy, keep: [String] = [], keepsMade: Bool = false, later: Int64 = 0,
            full: @escaping @Sendable () -> UInt64
        ) -> VMImageCollector {
            var kept = KeptImages()
            kept.patterns = keep.compactMap { ImagePattern($0) }
            kept.keepsMade = keepsMade
            var collector = VMImageCollector(
                catalog: VMImageCatalog(store: store, root: directory, keep: kept), root: directory, policy: policy,
                logger: log.logger)
            let time = Timestamps.now() + later * 1_000_000_000
            collector.now = { time }
            collector.space = { _ in (capacity: 100 << 34, available: (100 - full()) << 34) }
            return collector
        }

        func look(
            _ policy: ImageCollectionPolicy, keep: [String] = [], later: Int64 = 0, full: UInt64
        ) throws -> [String] {
            try collector(policy, keep: keep, later: later, full: { full }).look()
        }
    }

    @Test("what was unused for too long goes, and says why; what is used, pinned or named in the configuration stays")
    func age() async throws {
        try await withTemporaryDirectory { directory in
            let node = Node(directory)
            let old = try node.add("old")
            try node.machine(of: try node.add("running"))
            _ = try node.add("pinned")
            try node.store.pin("pinned")
            _ = try node.add("registry.example/golden/one:7")
            var policy = ImageCollectionPolicy()
            policy.maximumAge = .seconds(86_400)
            let keep = ["registry.example/golden/*"]
            #expect(try node.look(policy, keep: keep, later: 80_000, full: 10).isEmpty)
            #expect(try node.look(policy, keep: keep, later: 90_000, full: 10) == [old.id])
            #expect(
                Set(try node.store.list().flatMap(\.names)) == [
                    "running:latest", "pinned:latest", "registry.example/golden/one:7",
                ])
            let line = try #require(node.log.lines.first { $0.contains("image removed") })
            #expect(line.contains("unused for longer than 24 hours") && line.contains("old:latest"))
        }
    }

    @Test("on a full disk the longest unused go until there is room, and none that came just now")
    func pressure() async throws {
        try await withTemporaryDirectory { directory in
            let node = Node(directory)
            let images = try ["a", "b", "c"].map { try node.add($0) }
            try node.store.markUsed([images[0].id])
            let collector = node.collector(.init(), later: 600) {
                // As if the removal of one image made enough room.
                (try? node.store.list().count) == 3 ? 90 : 79
            }
            #expect(try node.look(.init(), full: 99).isEmpty)
            #expect(try node.look(.init(), later: 600, full: 85).isEmpty)
            var off = ImageCollectionPolicy()
            off.high = 100
            #expect(try node.look(off, later: 600, full: 99).isEmpty)
            #expect(try collector.look() == [images[1].id])
            #expect(try collector.look().isEmpty)
            // Nothing that may go makes enough: all go, and it is said.
            #expect(try Set(node.look(.init(), later: 600, full: 99)) == [images[0].id, images[2].id])
            #expect(node.log.lines.contains { $0.contains("no image is left that may go") })
        }
    }

    @Test("clients see which images stay")
    func pinned() async throws {
        try await withTemporaryDirectory { directory in
            let node = Node(directory)
            let catalog = node.collector(.init(), keep: ["vms/*"]) { 0 }.catalog
            let (other, named) = (try node.add("other"), try node.add("vms/one:2"))
            #expect(!catalog.cri(other).pinned)
            #expect(catalog.cri(named).pinned)
            let pinned = try node.store.pin("other")
            #expect(catalog.cri(pinned).pinned)
            let careful = node.collector(.init(), keepsMade: true, later: 600) { 99 }
            _ = try node.add("made")
            #expect(try careful.look().isEmpty, "no registry has what was made here")
            #expect(careful.catalog.cri(other).pinned)
        }
    }

    @Test("how much has to go", arguments: [(85, 0), (86, 6), (100, 20), (0, 0)] as [(UInt64, UInt64)])
    func excess(used: UInt64, wanted: UInt64) {
        #expect(ImageCollectionPolicy().excess(capacity: 1000, available: 1000 - used * 10) == wanted * 10)
    }
}
