#if os(Linux)
import Foundation
import Logging
import Processes
import Support
import Testing
import VZEngine

@testable import CRIShim

/// The pool and the search for addresses against a real DHCP server. A real DHCP client with the machine's hardware address
/// stands for the machine: 60 emulated ones would take a quarter of an hour.
@Suite(.serialized, .enabled(if: BridgeNetwork.isPossible, BridgeNetwork.skipReason))
struct AddressLeaseTests {
    /// A namespace with one card on the bridge, where a client asks for an address.
    private struct Client {
        let network: BridgeNetwork
        var namespace: String { network.directory + "/client" }
        var device: String { network.bridge + "c" }

        static func with(_ network: BridgeNetwork, _ body: (Client) async throws -> Void) async throws {
            let client = Client(network: network)
            try await NetworkNamespace.make(at: client.namespace)
            defer { try? NetworkNamespace.remove(client.namespace) }
            try await SystemNetwork.ip([
                "link add name \(client.device) master \(network.bridge) type veth peer name eth0 netns "
                    + "\"\(client.namespace)\"",
                "link set \(client.device) up",
            ])
            try await body(client)
            try await SystemNetwork.ip(["link del \(client.device)"], force: true)
        }

        /// - Returns: whether it got one.
        func ask(as card: HardwareAddress) async throws -> Bool {
            try await SystemNetwork.ip(
                ["link set eth0 down", "link set eth0 address \(card)", "link set eth0 up"], in: namespace)
            return try await Command.run(
                "busybox", ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "8", "-T", "1", "-s", "/bin/true"],
                networkNamespace: namespace, deadline: .seconds(60)
            ).end.isSuccess
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `sixty machines one after the other get addresses from a server that has eight, with leases of a day`()
        async throws
    {
        let rounds = max(60, Faults.rounds)
        try await BridgeNetwork.with { network in
            let pool = HardwareAddressPool(root: network.directory + "/root", instance: Identifiers.hex(32))
            try await network.serving(10...17) { () async throws in
                try await Client.with(network) { client async throws in
                    for round in 0..<rounds {
                        let card = try pool.take(for: "m\(round)")
                        let watch = AddressWatch(
                            of: card,
                            sources: SystemAddressDiscovery.ofMachine(device: client.device, bridge: network.bridge),
                            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                        let watching = Task { await watch.run() }
                        defer { watching.cancel() }
                        #expect(try await client.ask(as: card), "machine \(round)")
                        let address = try await watch.first(within: .seconds(60))
                        #expect(network.contains("\(address)", 10...17))
                        watching.cancel()
                        await watching.value
                        try pool.release(of: "m\(round)")
                    }
                }
                #expect(try network.leases().count == 1)
                #expect(try pool.record().made == 1)
            }
        }
    }

    /// What the reference does: a new address for each machine.
    @Test(.timeLimit(.minutes(3))) func `the ninth card that is new gets none from that server`() async throws {
        try await BridgeNetwork.with { network in
            try await network.serving(10...17) { () async throws in
                try await Client.with(network) { client async throws in
                    for number in 0..<8 {
                        #expect(try await client.ask(as: HardwareAddress("02:00:00:00:00:0\(number)")!))
                    }
                    #expect(try await !client.ask(as: HardwareAddress("02:00:00:00:00:08")!))
                }
            }
        }
    }
}
#endif
