import Support
import Testing

@testable import CRIShim

@Suite struct AddressTests {
    @Test func `addresses and ranges are read and written`() throws {
        #expect(IPv4Address("10.1.2.3")?.value == 0x0a01_0203)
        #expect(IPv4Address("255.255.255.255")?.description == "255.255.255.255")
        for bad in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.x", "1..2.3", "+1.2.3.4", "::1", "0001.2.3.4"] {
            #expect(IPv4Address(bad) == nil, "\(bad)")
        }
        let range = try #require(IPv4Range("10.1.2.77/24"))
        #expect(range.description == "10.1.2.0/24")
        #expect(range.gateway.description == "10.1.2.1")
        #expect(range.last.description == "10.1.2.255")
        #expect(range.podAddresses.count == 253)
        #expect(IPv4Range("1.2.3.4")?.prefix == 32)
        #expect(IPv4Range("0.0.0.0/0")?.last.description == "255.255.255.255")
        #expect(IPv4Range("10.0.0.0/31")?.podAddresses.isEmpty == true)
        for bad in ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "10.0.0.0/8/8"] {
            #expect(IPv4Range(bad) == nil, "\(bad)")
        }
    }

    @Test(
        "ranges overlap when they share an address",
        arguments: [
            ("10.0.0.0/8", "10.1.2.0/24", true), ("10.1.2.0/24", "10.0.0.0/8", true),
            ("10.1.2.0/24", "10.1.3.0/24", false), ("10.1.2.255/32", "10.1.2.0/24", true),
        ])
    func overlaps(left: String, right: String, expected: Bool) throws {
        #expect(try #require(IPv4Range(left)).overlaps(try #require(IPv4Range(right))) == expected)
    }

    @Test func `a chosen range touches no route`() throws {
        var random = Faults.random("a chosen range touches no route")
        let taken = ["172.16.0.0/12", "192.168.0.0/16", "10.200.0.0/14", "10.204.7.1/32"].compactMap { IPv4Range($0) }
        for _ in 0..<200 {
            let range = try #require(IPv4Range.free(avoiding: taken, using: &random))
            #expect(!taken.contains(where: range.overlaps))
            #expect(range.prefix == 24)
        }
        #expect(IPv4Range.free(avoiding: [try #require(IPv4Range("0.0.0.0/0"))], using: &random) == nil)
    }

    @Test func `a full range says so, and gives again what was released`() throws {
        var pool = AddressPool(try #require(IPv4Range("10.1.2.0/29")))
        let given = try (0..<5).map { try pool.take(for: "\($0)") }
        #expect(Set(given).count == 5)
        #expect(!given.contains(pool.range.gateway))
        #expect { try pool.take(for: "late") } throws: { ($0 as? ShimError)?.code == .exhausted }
        pool.release(of: "3")
        #expect(try pool.take(for: "late") == given[3])
    }

    @Test func `no address is given twice, whatever is made, removed and crashes`() async throws {
        var random = Faults.random("no address is given twice")
        for round in 0..<Faults.rounds {
            try await withTemporaryDirectory { directory in
                let range = try #require(IPv4Range("10.1.2.0/28"))
                var records = try PodNetworkRecords(directory: directory)
                var state = NamespacedNetworks.State()
                var live: [String: IPv4Address] = [:]
                for step in 0..<120 {
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0..<5:
                        let id = "pod\(round)-\(step)"
                        do {
                            let address = try state.lease(in: range, to: id)
                            #expect(!live.values.contains(address), "\(address) is given twice")
                            var network = PodNetwork(sandbox: id, kind: .bridge)
                            network.addresses = [address.description]
                            try await records.save(network)
                            state.networks[id] = network
                            live[id] = address
                        } catch let error as ShimError {
                            #expect(error.code == .exhausted)
                            #expect(live.count == 13, "a free address was not found")
                        }
                    case 5..<8:
                        guard let id = live.keys.sorted().randomElement(using: &random) else { continue }
                        try await records.remove(id)
                        state.networks[id] = nil
                        state.pool?.release(of: id)
                        live[id] = nil
                    default:
                        // Only what is on disk is left. An address that was given, but not written down yet, is free.
                        if Bool.random(using: &random) { _ = try? state.lease(in: range, to: "lost") }
                        records = try PodNetworkRecords(directory: directory)
                        state = NamespacedNetworks.State()
                        for network in try records.load() { state.networks[network.sandbox] = network }
                        #expect(Set(state.networks.keys) == Set(live.keys))
                    }
                }
            }
        }
    }
}
