import Testing

@testable import VMHost

@Suite("The table of neighbours")
struct NeighbourTableTests {
    private let table = """
        ? (192.168.64.1) at 6e:7e:67:9:51:64 on bridge100 ifscope permanent [bridge]
        ? (169.254.7.7) at 52:54:0:a:b:c on bridge100 ifscope [bridge]
        ? (192.168.64.4) at 52:54:0:a:b:cc on bridge100 ifscope [bridge]
        ? (192.168.64.5) at (incomplete) on bridge100 ifscope [bridge]
        ? (192.168.64.2) at 52:54:0:a:b:c on bridge100 ifscope [bridge]
        """

    @Test("tells by numbers who has a hardware address, and knows no address of the link alone (R5)")
    func found() {
        #expect(NeighbourTable.address(of: "52:54:00:0A:0b:0c", in: table) == "192.168.64.2")
        #expect(NeighbourTable.address(of: "52:54:00:0a:0b:cc", in: table) == "192.168.64.4")
        #expect(NeighbourTable.address(of: "52:54:00:0a:0b:0d", in: table) == nil)
        #expect(NeighbourTable.address(of: "52:54:0", in: table) == nil)
    }
}
