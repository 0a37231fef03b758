import Testing
import VZEngine

@testable import CRIShim

@Suite struct ProcessUsageTests {
    private static let stat =
        "42 (a) b (c) S 1 42 42 0 -1 4194560 1500 0 25 0 250 150 0 0 20 0 4 0 99 1000 200 18446744073709551615"
    private static let status = """
        Name:\tqemu-system-x86
        VmRSS:\t  500000 kB
        RssAnon:\t    1000 kB
        RssFile:\t     200 kB
        RssShmem:\t    4000 kB
        """

    @Test func `the kernel's words about a process, whatever its name is`() throws {
        #if os(Linux)
        let usage = try #require(ProcessUsage.parse(stat: Self.stat, status: Self.status, ticksPerSecond: 100))
        #expect(usage.processorNanoseconds == 4_000_000_000)
        #expect(usage.ownBytes == 1000 << 10 && usage.sharedBytes == 4000 << 10 && usage.fileBytes == 200 << 10)
        #expect(usage.pageFaults == 1525 && usage.majorPageFaults == 25)
        #expect(ProcessUsage.parse(stat: "", status: "", ticksPerSecond: 100) == nil)
        // One that has ended and was not reaped.
        let dead = try #require(ProcessUsage.parse(stat: Self.stat, status: "Name:\tx\n", ticksPerSecond: 100))
        #expect(dead.ownBytes == 0 && dead.processorNanoseconds > 0)
        #endif
    }

    @Test func `memory that a machine's processes share counts once`() {
        let sum = ProcessUsage.sum([
            .init(processorNanoseconds: 5, ownBytes: 10, sharedBytes: 100, fileBytes: 1),
            .init(processorNanoseconds: 6, ownBytes: 20, sharedBytes: 80, fileBytes: 2),
        ])
        #expect(sum == .init(processorNanoseconds: 11, ownBytes: 30, sharedBytes: 100, fileBytes: 3))
    }

    @Test func `this very process uses something`() throws {
        let own = try #require(try ProcessUsage.of(getpid()))
        #expect(own.processorNanoseconds > 0 && own.ownBytes > 0)
        #expect(try ProcessUsage.of(Int32.max) == nil)
    }

    @Test func `what is available is what the guest says, else what the machine has not touched`() {
        var measurement = MachineMeasurement()
        measurement.memoryBytes = 100
        measurement.usage = .init(ownBytes: 30, sharedBytes: 10, fileBytes: 5)
        #expect(measurement.workingSet == 40 && measurement.resident == 45 && measurement.available == 60)
        measurement.usage?.ownBytes = 1000
        #expect(measurement.available == 0)
        measurement.guest = MachineStatistics()
        measurement.guest?.availableMemoryBytes = 7
        #expect(measurement.available == 7)
    }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif
