import Testing

@testable import VZEngine

@Suite("What went through interfaces")
struct InterfaceCountersTests {
    private static let text = """
        Inter-|   Receive                                                |  Transmit
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
            lo: 1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
        eth0@x:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
        """

    @Test("is read from the kernel's table, also where a number touches its name")
    func parse() {
        let all = InterfaceCounters.parse(Self.text)
        #expect(all.map(\.name) == ["lo", "eth0@x"])
        #expect(all[0].receivedBytes == 1000 && all[0].sentBytes == 1000)
        #expect(all[1].receivedBytes == .max && all[1].receiveErrors == 3)
        #expect(all[1].sentBytes == 9 && all[1].sendErrors == 11)
        #expect(all[1].receivedPackets == 2 && all[1].receivedDropped == 4)
        #expect(all[1].sentPackets == 10 && all[1].sentDropped == 12)
        #expect(InterfaceCounters.parse("garbage: 1 2").isEmpty)
    }
}
