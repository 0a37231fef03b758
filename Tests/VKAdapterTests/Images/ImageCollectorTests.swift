import KubeAPI
import Logging
import Proto
import Synchronization
import Testing

@testable import VKAdapter

struct ImageCollectorTests {
    /// Images of a runtime, and how full its disk is.
    private final class Store: ImageStore {
        struct State {
            var images: [CRI.Image] = []
            var inUse: Set<String> = []
            var capacity: UInt64 = 1000
            var refused: Set<String> = []
            var now = Timestamp(seconds: 1_000_000)
        }
        let state = Mutex(State())

        func images() async throws -> [CRI.Image] { state.withLock { $0.images } }
        func imagesInUse() async throws -> Set<String> { state.withLock { $0.inUse } }
        func removeImage(_ id: String) async throws {
            try state.withLock { state in
                if state.refused.contains(id) { throw AdapterError(.failed, "it is in use") }
                state.images.removeAll { $0.id == id }
            }
        }

        var space: DiskSpace {
            state.withLock { state in
                let used = state.images.reduce(0) { $0 + $1.size }
                return DiskSpace(capacity: state.capacity, available: state.capacity - min(used, state.capacity))
            }
        }
        var names: [String] { state.withLock { $0.images.map(\.id) } }
    }

    private func image(_ id: String, _ size: UInt64, pinned: Bool = false) -> CRI.Image {
        CRI.Image {
            $0.id = id
            $0.repoTags = ["\(id):1"]
            $0.size = size
            $0.pinned = pinned
        }
    }

    private func collector(_ store: Store) -> ImageCollector {
        ImageCollector(
            store: store, nodeName: "n", events: nil, logger: Logger(label: "test"),
            now: { store.state.withLock { $0.now } }, space: { store.space })
    }

    @Test func `a disk that fills up loses the images that were not used for longest, and no more than it must`()
        async throws
    {
        let store = Store()
        let collector = collector(store)
        store.state.withLock {
            $0.images = [
                image("used", 300), image("pinned", 100, pinned: true), image("old", 100), image("recent", 200),
            ]
            $0.inUse = ["used:1", "recent"]
        }
        #expect(try await collector.collect() == 0, "70 % is not full")
        store.state.withLock {
            $0.inUse = ["used:1"]
            $0.images.append(image("fresh", 180))
            $0.now = $0.now.advanced(by: .seconds(200))
        }
        // 880 of 1000: 80 have to go. What came just now may be wanted by somebody soon.
        #expect(try await collector.collect() == 100)
        #expect(store.names == ["used", "pinned", "recent", "fresh"])
    }

    @Test func `an image that cannot be removed does not keep the others; under pressure all that are unused go`()
        async throws
    {
        let store = Store()
        let collector = collector(store)
        store.state.withLock {
            $0.images = [image("stuck", 500), image("other", 450), image("used", 10)]
            $0.inUse = ["used"]
            $0.refused = ["stuck"]
        }
        try await collector.collect()
        store.state.withLock { $0.now = $0.now.advanced(by: .seconds(121)) }
        #expect(try await collector.collect() == 450)
        store.state.withLock { $0.refused = [] }
        #expect(try await collector.collect(all: true) == 500)
        #expect(store.names == ["used"])
    }
}
