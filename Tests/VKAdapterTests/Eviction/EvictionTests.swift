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
        return EvictionCandidate(pod: pod, containers: ["main": .init(memory: memory, disk: disk)])
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
        let threshold = try #require(try EvictionThreshold.parse(text))
        #expect(threshold.isMet(EvictionLevel(capacity: capacity, available: available)) == isMet)
    }

    @Test(arguments: [
        "memory.available", "memory.free<1Gi", "nodefs.available<101%", "nodefs.available<x", "a<b<c", "",
        "memory.available<0", "memory.available<-1Mi",
    ])
    func `what is no threshold is refused`(_ text: String) {
        #expect(throws: AdapterError.self) { try EvictionThreshold.parse(text) }
    }

    @Test func `a pressure is told for five minutes after it was seen last`() {
        var state = EvictionState()
        let short: [EvictionSignal: EvictionLevel] = [.nodeDisk: EvictionLevel(capacity: 100, available: 5)]
        let fine: [EvictionSignal: EvictionLevel] = [.nodeDisk: EvictionLevel(capacity: 100, available: 50)]
        #expect(state.look(fine, now: start).isEmpty && !state.pressure.isShortOfDisk)
        #expect(state.look(short, now: start).map(\.threshold.signal) == [.nodeDisk] && state.pressure.isShortOfDisk)
        #expect(state.look(fine, now: start.advanced(by: .seconds(299))).isEmpty && state.pressure.isShortOfDisk)
        #expect(state.look(fine, now: start.advanced(by: .seconds(301))).isEmpty && !state.pressure.isShortOfDisk)
        #expect(!state.pressure.isShortOfMemory)
    }

    @Test func `the words are the kubelet's`() {
        let threshold = EvictionThreshold(signal: .memory, limit: .quantity(100 << 20))
        let words = Eviction.message(
            candidate("web", memory: 204_801 << 10), threshold, EvictionLevel(capacity: 1 << 30, available: 1025 << 10))
        #expect(
            words == "The node was low on resource: memory. Threshold quantity: 100Mi, available: 1025Ki. "
                + "Container main was using 204801Ki, request is 0, has larger consumption of memory. ")
        let disk = EvictionThreshold(signal: .nodeInodes, limit: .percent(5))
        #expect(
            Eviction.message(candidate("web", disk: 9), disk, EvictionLevel(capacity: 1000, available: 7))
                == "The node was low on resource: inodes. Threshold quantity: 50, available: 7. ")
    }

    @Test func `images go before pods, and one pod goes at a time`() async throws {
        let log = NIOLockedValueBox<[String]>([])
        let free = NIOLockedValueBox<UInt64>(1)
        let over = NIOLockedValueBox<Set<String>>([])
        let metrics = AdapterMetrics()
        let manager = EvictionManager(
            thresholds: EvictionThreshold.standard, nodeName: "n", events: nil, metrics: metrics,
            logger: Logger(label: "test"),
            now: { Timestamp(seconds: 1_000_000) },
            levels: { [.imageDisk: EvictionLevel(capacity: 100, available: free.withLockedValue { $0 })] },
            candidates: {
                ["a", "b"].map { name in
                    candidate(name, disk: name == "a" ? 20 : 10) {
                        if over.withLockedValue({ $0.contains(name) }) { $0.status.phase = .failed }
                    }
                }
            }, collectImages: { log.withLockedValue { $0.append("images") } },
            evict: { uid, _, grace in log.withLockedValue { $0.append(grace == 1 ? uid : "\(uid) in \(grace) s") } },
            tell: { pressure in log.withLockedValue { $0.append(pressure.isShortOfDisk ? "short" : "fine") } })
        try await manager.look()
        #expect(log.withLockedValue { $0 } == ["short", "images", "a"])
        try await manager.look()
        #expect(log.withLockedValue { $0 } == ["short", "images", "a", "short", "images"], "the first is still ending")
        over.withLockedValue { _ = $0.insert("a") }
        try await manager.look()
        #expect(log.withLockedValue { $0.last } == "b")
        var told = PrometheusText()
        metrics.write([AdapterMetrics.evictions], to: &told)
        #expect(told.text.hasSuffix("\nkubelet_evictions{eviction_signal=\"imagefs.available\"} 2\n"))
        free.withLockedValue { $0 = 50 }
        try await manager.look()
        #expect(log.withLockedValue { $0.last } == "short", "for a while, so that nothing flaps")
    }

    @Test func `a soft threshold waits, and one that was met is over when so much more is free`() throws {
        let thresholds = try EvictionThreshold.parse(
            .init(
                hard: ["pid.available<10"], soft: ["memory.available<300Mi"],
                softGrace: ["memory.available=1m30s"], reclaim: ["memory.available=50Mi"]))
        var state = EvictionState(thresholds: thresholds, transition: .seconds(60))
        func look(_ seconds: Int, _ memory: UInt64, processes: UInt64 = 100) -> [EvictionSignal] {
            state.look(
                [
                    .memory: EvictionLevel(capacity: 1000 << 20, available: memory << 20),
                    .processes: EvictionLevel(capacity: 1000, available: processes),
                ], now: start.advanced(by: .seconds(seconds))
            ).map(\.threshold.signal)
        }
        #expect(look(0, 299) == [] && state.pressure.isShortOfMemory, "told at once")
        #expect(look(89, 299) == [])
        #expect(look(90, 299) == [.memory])
        #expect(look(100, 340) == [.memory], "too little is free again")
        #expect(look(110, 350) == [])
        #expect(look(120, 340) == [], "it would have to fall below the threshold itself")
        #expect(look(130, 299) == [], "and its time begins anew")
        #expect(look(140, 299, processes: 9) == [.processes] && state.pressure.isShortOfProcesses)
        #expect(look(225, 299, processes: 9) == [.memory, .processes], "memory first")
        #expect(state.pressure.conditions == ["MemoryPressure", "PIDPressure"])
        #expect(look(285, 900) == [] && state.pressure.conditions.count == 2, "for a while, so that nothing flaps")
        #expect(look(286, 900) == [] && state.pressure.conditions.isEmpty)
    }

    @Test func `thresholds are read as a kubelet reads them`() throws {
        let all = try EvictionThreshold.parse(
            .init(
                hard: ["memory.available<100Mi", "nodefs.available<0%", "imagefs.available<12.5%"],
                soft: ["nodefs.available<20%"], softGrace: ["nodefs.available=2m", "memory.available=1h"],
                reclaim: ["nodefs.available=1%", "imagefs.available=2Gi"]))
        #expect(
            all == [
                EvictionThreshold(signal: .memory, limit: .quantity(100 << 20)),
                EvictionThreshold(signal: .imageDisk, limit: .percent(12.5), reclaim: .quantity(2 << 30)),
                EvictionThreshold(
                    signal: .nodeDisk, limit: .percent(20), grace: .seconds(120), reclaim: .percent(1)),
            ])
        let error = #expect(throws: AdapterError.self) {
            try EvictionThreshold.parse(.init(soft: ["memory.available<1Gi"]))
        }
        #expect(
            error?.message.hasPrefix(
                "grace period must be specified for the soft eviction threshold memory.available") == true)
        for wrong in [
            "memory.available=x", "memory.available", "memory=1m", "memory.available=1x", "memory.available=",
        ] {
            #expect(throws: AdapterError.self) { try EvictionThreshold.parse(.init(softGrace: [wrong])) }
        }
        #expect(GoDuration.parse("1h1m1.5s500ms") == .milliseconds(3_662_000))
    }

    @Test(
        arguments: [
            (nil, 60, 30, 1), (Duration.seconds(1), 60, 30, 30), (.seconds(1), 60, 90, 60), (.seconds(1), 0, 30, 0),
        ] as [(Duration?, Int64, Int64, Int64)])
    func `a pod has the time its threshold leaves it`(_ wait: Duration?, _ most: Int64, _ own: Int64, _ grace: Int64) {
        let pod = candidate("web") { $0.spec.terminationGracePeriodSeconds = own }.pod
        let threshold = EvictionThreshold(signal: .memory, limit: .quantity(1), grace: wait)
        #expect(Eviction.grace(pod, threshold, most: most) == grace)
    }

    @Test func `a pod that takes more of the disk than it may goes, whatever is left`() async throws {
        let log = NIOLockedValueBox<[String]>([])
        @Sendable func limited(_ name: String, _ limit: Quantity, disk: UInt64, volumes: UInt64 = 0)
            -> EvictionCandidate
        {
            var candidate = candidate(name, disk: disk) {
                $0.spec.containers[0].resources.limits["ephemeral-storage"] = limit
            }
            candidate.volumes = volumes
            return candidate
        }
        #expect(Eviction.excess(limited("a", "1Gi", disk: 1 << 30)) == nil)
        #expect(
            Eviction.excess(limited("a", "1024Mi", disk: 1 << 30, volumes: 1))
                == "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ")
        #expect(Eviction.excess(candidate("a", disk: 1 << 40)) == nil)
        let manager = EvictionManager(
            thresholds: [], nodeName: "n", events: nil, logger: Logger(label: "test"),
            levels: { [:] }, candidates: { [limited("more", "1Ki", disk: 1025), limited("less", "1Ki", disk: 1024)] },
            hasLimits: { true }, collectImages: {},
            evict: { uid, reason, grace in
                log.withLockedValue { $0.append("\(uid) \(grace): \(reason.message)\(reason.disruption ?? "")") }
            },
            tell: { _ in })
        try await manager.look()
        #expect(
            log.withLockedValue { $0 }
                == ["more 1: Pod ephemeral local storage usage exceeds the total limit of containers 1Ki. "])
    }
}
