import KubeAPI
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import VKAdapter

struct EvictionTests {
    private let start = Timestamp(seconds: 1_000_000)

    private func candidate(
        _ name: String, memory: UInt64 = 0, disk: UInt64 = 0, request: String = "0", priority: Int32 = 0,
        _ configure: (inout Pod) -> Void = { _ in }
    ) -> EvictionCandidate {
        let pod = Pod {
            $0.metadata.name = name
            $0.metadata.uid = name
            $0.spec.priority = priority
            $0.spec.containers = [
                Container {
                    $0.name = "main"
                    $0.resources.requests["memory"] = Quantity(request)
                }
            ]
            configure(&$0)
        }
        return EvictionCandidate(pod: pod, memory: memory, disk: disk)
    }

    @Test func `who uses more than it asked for goes first, then by priority, then by how much more`() {
        let order = Eviction.order(
            [
                candidate("modest", memory: 50 << 20, request: "100Mi"),
                candidate("greedy", memory: 300 << 20, request: "100Mi"),
                candidate("more", memory: 500 << 20, request: "100Mi"),
                candidate("important", memory: 900 << 20, request: "100Mi", priority: 1000),
                candidate("critical", memory: 900 << 20, priority: 2_000_001_000),
                candidate("static", memory: 900 << 20) {
                    $0.metadata.annotations[StaticPod.sourceAnnotation] = "file"
                },
                candidate("over", memory: 900 << 20) { $0.status.phase = .failed },
                candidate("going", memory: 900 << 20) { $0.metadata.deletionTimestamp = start },
            ], for: .memory)
        #expect(order.map(\.pod.metadata.name) == ["more", "greedy", "important", "modest"])
    }

    @Test(
        arguments: [
            ("memory.available<100Mi", 1000 << 20, 99 << 20, true),
            ("memory.available<100Mi", 1000 << 20, 100 << 20, false),
            ("nodefs.available<10%", 1000, 99, true), ("nodefs.available<10%", 1000, 100, false),
            ("imagefs.inodesFree<5%", 0, 0, false),
        ] as [(String, UInt64, UInt64, Bool)])
    func `a threshold is met below it`(_ text: String, _ capacity: UInt64, _ available: UInt64, _ isMet: Bool) throws {
        let threshold = try EvictionThreshold.parse(text)
        #expect(threshold.isMet(EvictionLevel(capacity: capacity, available: available)) == isMet)
    }

    @Test(arguments: [
        "memory.available", "memory.free<1Gi", "nodefs.available<101%", "nodefs.available<x", "a<b<c", "",
    ])
    func `what is no threshold is refused`(_ text: String) {
        #expect(throws: AdapterError.self) { try EvictionThreshold.parse(text) }
    }

    @Test func `a pressure is told for five minutes after it was seen last`() {
        var state = EvictionState()
        let short: [EvictionSignal: EvictionLevel] = [.nodeDisk: EvictionLevel(capacity: 100, available: 5)]
        let fine: [EvictionSignal: EvictionLevel] = [.nodeDisk: EvictionLevel(capacity: 100, available: 50)]
        #expect(state.look(fine, now: start).isEmpty && !state.isShortOfDisk)
        #expect(state.look(short, now: start).map(\.threshold.signal) == [.nodeDisk] && state.isShortOfDisk)
        #expect(state.look(fine, now: start.advanced(by: .seconds(299))).isEmpty && state.isShortOfDisk)
        #expect(state.look(fine, now: start.advanced(by: .seconds(301))).isEmpty && !state.isShortOfDisk)
        #expect(!state.isShortOfMemory)
    }

    @Test func `the words are the kubelet's`() {
        let threshold = EvictionThreshold(signal: .memory, limit: .quantity(100 << 20))
        let words = Eviction.message(
            candidate("web", memory: 204_800 << 10), threshold, EvictionLevel(capacity: 1 << 30, available: 1024 << 10))
        #expect(
            words == "The node was low on resource: memory. Threshold quantity: 102400Ki, available: 1024Ki. "
                + "Pod web was using 204800Ki, request is 0, has larger consumption of memory. ")
    }

    @Test func `images go before pods, and one pod goes at a time`() async throws {
        let log = NIOLockedValueBox<[String]>([])
        let free = NIOLockedValueBox<UInt64>(1)
        let over = NIOLockedValueBox<Set<String>>([])
        let manager = EvictionManager(
            thresholds: EvictionThreshold.standard, nodeName: "n", events: nil, logger: Logger(label: "test"),
            now: { Timestamp(seconds: 1_000_000) },
            levels: { [.imageDisk: EvictionLevel(capacity: 100, available: free.withLockedValue { $0 })] },
            candidates: {
                ["a", "b"].map { name in
                    candidate(name, disk: name == "a" ? 20 : 10) {
                        if over.withLockedValue({ $0.contains(name) }) { $0.status.phase = .failed }
                    }
                }
            }, collectImages: { log.withLockedValue { $0.append("images") } },
            evict: { uid, _ in log.withLockedValue { $0.append(uid) } },
            tell: { pressure in log.withLockedValue { $0.append(pressure.isShortOfDisk ? "short" : "fine") } })
        try await manager.look()
        #expect(log.withLockedValue { $0 } == ["short", "images", "a"])
        try await manager.look()
        #expect(log.withLockedValue { $0 } == ["short", "images", "a", "short", "images"], "the first is still ending")
        over.withLockedValue { _ = $0.insert("a") }
        try await manager.look()
        #expect(log.withLockedValue { $0.last } == "b")
        free.withLockedValue { $0 = 50 }
        try await manager.look()
        #expect(log.withLockedValue { $0.last } == "short", "for a while, so that nothing flaps")
    }
}
