#if os(Linux)
import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct NodeUsageTests {
    @Test func `the kernel's files are understood`() {
        var usage = NodeUsage(time: Timestamp(seconds: 0))
        LocalNodeUsage.parse(
            stat: "cpu  100 10 50 1000 20 5 5 10 3 0\ncpu0 1 1 1 1\nbtime 1700000000\n", ticksPerSecond: 100,
            into: &usage)
        // 100 + 10 + 50 + 5 + 5 + 10 ticks
        #expect(usage.processorNanoseconds == 1_800_000_000)
        #expect(usage.booted == Timestamp(seconds: 1_700_000_000))
        LocalNodeUsage.parse(
            memory: """
                MemTotal:       1000 kB
                MemFree:         300 kB
                Inactive(file):  100 kB
                AnonPages:       250 kB
                SwapTotal:        50 kB
                SwapFree:         40 kB
                """, faults: "pgfault 77\npgmajfault 3\n", into: &usage)
        #expect(usage.memory?.usage == 700 << 10)
        #expect(usage.memory?.workingSet == 600 << 10)
        #expect(usage.memory?.available == 400 << 10)
        #expect(usage.memory?.pageFaults == 77 && usage.memory?.majorPageFaults == 3)
        #expect(usage.swap == .init(available: 40 << 10, usage: 10 << 10))
        let devices = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls
                lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
             wlan0: 1 1 2 0 0 0 0 0 3 1 4 0 0 0 0 0
              eth0:10 1 20 0 0 0 0 0 30 1 40 0 0 0 0 0
            """
        let route = """
            Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
            eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
            eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0
            """
        let found = LocalNodeUsage.interfaces(devices, outward: LocalNodeUsage.outwardDevice(route))
        #expect(found.map(\.name) == ["eth0", "wlan0"])
        #expect(
            found.first
                == .init(name: "eth0", receivedBytes: 10, receiveErrors: 20, sentBytes: 30, sendErrors: 40))
    }

    @Test func `this machine has processors, memory and a disk`() async throws {
        let usage = try await LocalNodeUsage(root: "/").usage()
        #expect(usage.processors > 0)
        #expect((usage.memory?.capacity ?? 0) > 0 && (usage.processorNanoseconds ?? 0) > 0)
        #expect((usage.rootFileSystem?.capacity ?? 0) > 0)
        #expect((usage.processes ?? 0) > 0)
    }
}
#endif
