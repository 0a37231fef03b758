import Logging
import Proto
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

@Suite struct DiskGuardTests {
    @Test(arguments: [
        ("10Gi", DiskReserve.bytes(10 << 30)), ("500M", .bytes(500_000_000)), ("0", .bytes(0)), ("7%", .percent(7)),
        ("1Ti", .bytes(1 << 40)),
    ])
    func `a reserve is a size or a share`(_ text: String, _ meant: DiskReserve) {
        #expect(DiskReserve(text) == meant)
    }

    @Test(arguments: ["", "Gi", "-1", "100%", "1.5Gi", "10 Gi", "x", "99999999999999999999", "99999999999Ti"])
    func `what is neither is refused`(_ text: String) { #expect(DiskReserve(text) == nil) }

    @Test func `unless it is said, a small disk keeps a share and a large one ten gibibytes`() {
        #expect(DiskReserve.standard.bytes(of: 100 << 30) == 5 << 30)
        #expect(DiskReserve.standard.bytes(of: 1 << 40) == 10 << 30)
        #expect(DiskReserve.percent(10).bytes(of: 1000) == 100)
    }

    @Test(
        arguments: [
            (DiskLevel.ample, 1000, DiskLevel.ample), (.ample, 999, .low), (.low, 1000, .low), (.low, 1099, .low),
            (.low, 1100, .ample), (.ample, 199, .critical), (.low, 200, .low), (.critical, 200, .critical),
            (.critical, 399, .critical), (.critical, 400, .low), (.critical, 1050, .low), (.critical, 2000, .ample),
        ] as [(DiskLevel, UInt64, DiskLevel)])
    func `a level is left later than it is entered`(_ before: DiskLevel, _ free: UInt64, _ after: DiskLevel) {
        #expect(before.next(free: free, reserve: 1000) == after)
    }

    @Test func `no reserve is no limit`() { #expect(DiskLevel.critical.next(free: 0, reserve: 0) == .ample) }

    @Test func `on a disk that is nearly full no machine is made, and those that run stand still, also new ones`()
        async throws
    {
        // More is kept than any disk has.
        let disk = DiskGuard(path: "/tmp", reserve: .bytes(.max / 2), logger: Logger(label: "disk"))
        #expect(disk.health.isReady, "nothing is known yet")
        try await VMBench.with(configure: { $0.disk = disk }) { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox)
            try await bench.start(id)
            await bench.runtime.lookAtDisk()
            #expect(disk.current.level == .critical)
            #expect(!disk.health.isReady && disk.health.reason == "DiskFull")
            let error = await #expect(throws: ShimError.self) { _ = try await bench.create(in: sandbox, name: "b") }
            #expect(error?.code == .exhausted && error?.message.hasPrefix("DiskPressure:") == true)
            #expect(bench.bundles == [id])
            await bench.runtime.pauseForDisk()
            await bench.runtime.pauseForDisk()
            #expect(bench.runtime.pausedForDisk == [id])
            #expect(try bench.supervisor(id).operations.withLock { $0 } == ["pause"])
            await bench.runtime.resumeAfterDisk()
            #expect(bench.runtime.pausedForDisk.isEmpty)
            #expect(try bench.supervisor(id).operations.withLock { $0 } == ["pause", "resume"])
            // One that ends while it stands still is not waited for.
            await bench.runtime.pauseForDisk()
            await (try bench.supervisor(id)).end(code: 0)
            _ = try await bench.ended(id)
            #expect(bench.runtime.pausedForDisk.isEmpty)
            await bench.runtime.resumeAfterDisk()
        }
    }

    @Test func `a disk that cannot be looked at refuses nothing, and Status says so`() throws {
        let disk = DiskGuard(path: "relative/nothing", reserve: .standard, logger: Logger(label: "disk"))
        disk.lookNow()
        #expect(disk.health.isReady && disk.health.reason == "DiskUnknown")
        try disk.requireRoom()
    }
}
