import Foundation
import Processes
import Support
import Testing

@testable import CRIShim

/// What a shim that starts finds of pods' networks.
@Suite(.serialized, .enabled(if: NetworkHarness.isPossible, NetworkHarness.skipReason)) struct NetworkAdoptionTests {
    @Test func `a restart keeps networks, addresses and host ports`() async throws {
        try await NetworkHarness.with { harness in
            let free = try await NetworkHarness.freePort()
            let record = harness.record { $0.ports = [NetworkHarness.port(8080, host: free)] }
            var first: NamespacedNetworks? = try harness.networks()
            let pod = try await first!.setUp(record)
            let server = try await GreetingServer(in: pod.namespace, port: 8080)
            first = nil

            let next = try harness.networks()
            try await next.adopt(known: [record.id])
            #expect(try await next.network(of: record.id) == pod)
            #expect(try await next.setUp(record) == pod)
            #expect(!(try await Peer.greeting(from: pod.addresses[0], 8080, in: nil)).isEmpty)
            #expect(!(try await Peer.greeting(from: "127.0.0.1", free, in: nil)).isEmpty)
            withExtendedLifetime(server) {}
            let other = try await next.setUp(harness.record())
            #expect(other.addresses != pod.addresses)
            await #expect { try await next.setUp(harness.record { $0.ports = record.ports }) } throws: {
                ($0 as? ShimError)?.code == .alreadyExists
            }
            // Of two, one is no more.
            let last = try harness.networks()
            try await last.adopt(known: [record.id])
            #expect(try await last.network(of: other.sandbox) == nil)
            #expect(!(try await Peer.greeting(from: pod.addresses[0], 8080, in: nil)).isEmpty)
            try await last.tearDown(sandbox: record.id)
            try await harness.expectNothingLeft()
        }
    }

    @Test func `whatever a crash left is removed`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            _ = try await networks.setUp(harness.record())
            // Half-made: a namespace with a cable, a file without a namespace, one end of a cable.
            let (stray, names) = (Identifiers.sandbox(), NetworkNames(instance: harness.instance))
            let empty = Identifiers.sandbox()
            for id in [stray, empty] {
                var half = PodNetwork(sandbox: id, kind: .bridge)
                half.namespace = "\(harness.directory)/state/netns/\(id)"
                try await networks.records.save(half)
            }
            try await NetworkNamespace.make(at: "\(harness.directory)/state/netns/\(stray)")
            try await SystemNetwork.ip([
                "link add \(names.link(of: stray)) master \(names.bridge) type veth peer name eth0 netns \"\(harness.directory)/state/netns/\(stray)\"",
                "link add \(names.link(of: Identifiers.sandbox())) type bridge",
            ])
            try Data().write(to: URL(filePath: "\(harness.directory)/state/netns/\(empty)"))
            // A record of which nothing was made yet, and one that was not written to its end.
            var begun = PodNetwork(sandbox: Identifiers.sandbox(), kind: .bridge)
            begun.namespace = "\(harness.directory)/state/netns/\(begun.sandbox)"
            begun.addresses = ["10.0.0.9"]
            try await networks.records.save(begun)
            try Data("{".utf8).write(to: URL(filePath: networks.records.directory + "/x.json.1.2.tmp"))

            // Another shim's, in a state directory that both were given.
            let foreign = "\(harness.directory)/state/netns/\(Identifiers.sandbox())"
            try await NetworkNamespace.make(at: foreign)

            let next = try harness.networks()
            #expect(try await next.network(of: begun.sandbox) == nil)
            try await next.adopt(known: [])
            #expect(NetworkNamespace.exists(at: foreign))
            try NetworkNamespace.remove(foreign)
            try await harness.expectNothingLeft()
        }
    }

    @Test func `a network that a restart of the host ended is not shown, and can be torn down`() async throws {
        try await NetworkHarness.with { harness in
            let record = harness.record()
            let pod = try await harness.networks().setUp(record)
            // What a restart does: all of the kernel's objects go, the state directory is empty, records stay.
            try NetworkNamespace.remove(pod.namespace!)
            // With the namespace the cable goes, sooner or later.
            _ = try? await SystemNetwork.ip(["link del \(pod.link!)", "link del vzcri\(harness.mark)"], force: true)
            let next = try harness.networks()
            try await next.adopt(known: [record.id])
            #expect(try await next.network(of: record.id) == nil)
            let fresh = try await next.setUp(harness.record())
            #expect(fresh.addresses != pod.addresses, "an address is free once its owner is removed")
            try await next.tearDown(sandbox: record.id)
            try await next.tearDown(sandbox: fresh.sandbox)
            try await harness.expectNothingLeft()
        }
    }

    @Test func `bridge and rules that somebody took away come back`() async throws {
        try await NetworkHarness.with { harness in
            let record = harness.record()
            let pod = try await harness.networks().setUp(record)
            let server = try await GreetingServer(in: pod.namespace)
            try await SystemNetwork.ip(["link del vzcri\(harness.mark)"])
            let rules = FirewallRules(names: NetworkNames(instance: harness.instance))
            try await SystemNetwork.changeRules(
                try #require(rules.removal(from: try await SystemNetwork.savedRules())))
            let next = try harness.networks()
            try await next.adopt(known: [record.id])
            #expect(!(try await Peer.greeting(from: pod.addresses[0], server.port, in: nil)).isEmpty)
            #expect(try await harness.traces().contains { $0.contains("MASQUERADE") })
            try await next.tearDown(sandbox: record.id)
        }
    }

    @Test func `two shims on one host leave each other's pods alone`() async throws {
        try await NetworkHarness.with { one in
            let kept = try await one.networks().setUp(one.record())
            let server = try await GreetingServer(in: kept.namespace)
            try await NetworkHarness.with { other in
                let networks = try other.networks()
                let pod = try await networks.setUp(other.record())
                // Each by the other's bridge.
                #expect(!(try await Peer.greeting(from: kept.addresses[0], server.port, in: pod.namespace)).isEmpty)
                try await networks.adopt(known: [])
            }
            #expect(!(try await Peer.greeting(from: kept.addresses[0], server.port, in: nil)).isEmpty)
            #expect(try await one.networks().network(of: kept.sandbox) == kept)
        }
    }

    @Test func `records of a newer program are refused and left alone`() async throws {
        try await withTemporaryDirectory { directory in
            let records = try PodNetworkRecords(directory: directory)
            let path = records.directory + "/abc.json"
            try Data(#"{"schema":99}"#.utf8).write(to: URL(filePath: path))
            #expect { try records.load() } throws: { ($0 as? ShimError)?.code == .newerRecord }
            #expect(FileManager.default.fileExists(atPath: path))
        }
    }
}
