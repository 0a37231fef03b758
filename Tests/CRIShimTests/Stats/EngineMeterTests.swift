import Docker
import Foundation
import Logging
import Synchronization
import Testing
import VZEngine
import Waiting

@testable import CRIShim

/// What containers of an engine use, over an engine that is played.
@Suite struct EngineMeterTests {
    static func stats(
        at seconds: Int, cpu: UInt64, usage: UInt64 = 5000,
        memory: String = #""total_rss":200,"total_inactive_file":300"#
    ) throws -> DockerContainerStats {
        let json = """
            {"read":"2026-11-21T04:51:\(seconds < 10 ? "0" : "")\(seconds)Z","pids_stats":{"current":3},
            "cpu_stats":{"cpu_usage":{"total_usage":\(cpu)}},"memory_stats":{"usage":\(usage),"stats":{\(memory)}},
            "networks":{"eth1":{"rx_bytes":1},"eth0":{"tx_bytes":2}}}
            """
        return try JSONDecoder().decode(DockerContainerStats.self, from: Data(json.utf8))
    }

    private static func size(_ bytes: Int64) throws -> ContainerSize {
        try JSONDecoder().decode(ContainerSize.self, from: Data(#"{"sizeRw":\#(bytes)}"#.utf8))
    }

    private func meter(
        freshness: Duration = .zero, stats: @escaping @Sendable () async throws -> DockerContainerStats,
        size: @escaping @Sendable () async throws -> ContainerSize = { try EngineMeterTests.size(42) }
    ) -> EngineMeter {
        EngineMeter(
            container: "c", source: .init(stats: stats, size: size, directory: { "/engine" }),
            freshness: freshness, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test(
        "memory is told as a kubelet means it, on both versions of control groups",
        arguments: [
            (#""rss":1,"total_rss":200,"inactive_file":9,"total_inactive_file":300,"total_cache":400"#, 0),
            (#""anon":200,"inactive_file":300,"file":400"#, 4000),
            (#""anon":200,"inactive_file":300,"file":400"#, 8000),
        ] as [(String, Int64)])
    func memory(stat: String, limit: Int64) throws {
        let measured = Measurement(
            try Self.stats(at: 1, cpu: 1, memory: stat), memoryLimit: limit, interfaces: nil)
        let memory = try #require(measured.memory)
        #expect(memory.workingSet == 4700 && memory.usage == 5000 && memory.resident == 200 && memory.cache == 400)
        let available: [Int64: UInt64] = [4000: 0, 8000: 3300]
        #expect(memory.available == available[limit])
        #expect(measured.processes == 3)
        #expect(measured.outsideInterfaces.map(\.name) == ["eth0", "eth1"])
        let idle = Measurement(
            try Self.stats(at: 1, cpu: 1, usage: 10, memory: stat), memoryLimit: 0, interfaces: [])
        #expect(idle.memory?.workingSet == 0 && idle.outsideInterfaces.isEmpty)
    }

    @Test("the rate is counted by the engine's clock, and not over less than a second or a new start")
    func rate() async throws {
        let answers = Mutex(
            [(10, 1000), (10, 2000), (12, 2_000_001_000), (14, 5), (16, 1_000_000_005)] as [(Int, UInt64)])
        let meter = meter {
            try Self.stats(at: answers.withLock { $0[0].0 }, cpu: answers.withLock { $0.removeFirst().1 })
        }
        var rates: [UInt64?] = []
        for _ in 0..<5 {
            let measured = try #require(await meter.measurement(memoryLimit: 0, within: .seconds(30)))
            rates.append(measured.processor?.rate)
        }
        #expect(rates == [nil, nil, 1_000_000_000, nil, 500_000_000])
    }

    @Test("many who ask at a time cost the engine one look; soon after it is not asked again")
    func once() async throws {
        let looks = Mutex(0)
        let meter = meter(freshness: .seconds(3600)) {
            looks.withLock { $0 += 1 }
            try await Task.sleep(for: .milliseconds(50))
            return try Self.stats(at: 1, cpu: 7)
        }
        await withTaskGroup(of: UInt64?.self) { group in
            for _ in 0..<20 {
                group.addTask { await meter.measurement(memoryLimit: 0, within: .seconds(30))?.processor?.total }
            }
            for await total in group { #expect(total == 7) }
        }
        #expect(looks.withLock { $0 } == 1)
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30))?.disk?.bytes == 42)
    }

    @Test(
        "an engine that does not answer costs the first who asks a limited time and nobody else any; the last is told")
    func hung() async throws {
        let hangs = Mutex(false)
        let asked = Mutex(0)
        let meter = meter {
            asked.withLock { $0 += 1 }
            if hangs.withLock({ $0 }) { try await Task.sleep(for: .seconds(600)) }
            return try Self.stats(at: 1, cpu: 7)
        }
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30))?.processor?.total == 7)
        hangs.withLock { $0 = true }
        #expect(await meter.measurement(memoryLimit: 0, within: .milliseconds(100))?.processor?.total == 7)
        let start = ContinuousClock.now
        for _ in 0..<50 {
            #expect(await meter.measurement(memoryLimit: 0, within: .milliseconds(100))?.processor?.total == 7)
        }
        #expect(ContinuousClock.now - start < .seconds(4), "each would have waited 100 ms")
        #expect(asked.withLock { $0 } == 2)
    }

    @Test("sizes that take long keep nobody for long, and come later")
    func size() async throws {
        let gate = Latch()
        let meter = meter(stats: { try Self.stats(at: 1, cpu: 7) }) {
            _ = await gate.wait(atMost: .seconds(60))
            return try Self.size(9)
        }
        let first = try #require(await meter.measurement(memoryLimit: 0, within: .milliseconds(50)))
        #expect(first.processor?.total == 7 && first.disk == nil)
        gate.open()
        while meter.disk == nil { await Task.yield() }
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30))?.disk?.bytes == 9)
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30))?.disk?.directory == "/engine")
    }

    @Test("a container that went has nothing any more")
    func gone() async throws {
        let isGone = Mutex(false)
        let meter = meter {
            if isGone.withLock({ $0 }) { throw DockerError(.notFound, "no such container") }
            return try Self.stats(at: 1, cpu: 7)
        }
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30)) != nil)
        isGone.withLock { $0 = true }
        #expect(await meter.measurement(memoryLimit: 0, within: .seconds(30)) == nil)
    }
}
