import Foundation
import Processes
import Support
import Testing

@testable import CRIShim

/// Real namespaces, a real bridge, the real packet filter.
@Suite(.serialized, .enabled(if: NetworkHarness.isPossible, NetworkHarness.skipReason)) struct PodNetworkTests {
    @Test func `pods, and the host, reach each other`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            let one = try await networks.setUp(harness.record())
            let two = try await networks.setUp(harness.record())
            #expect(one.addresses.count == 1)
            #expect(one.addresses != two.addresses)
            let server = try await GreetingServer(in: one.namespace)
            #expect(try await Peer.greeting(from: one.addresses[0], server.port, in: two.namespace) == two.addresses[0])
            let gateway = try #require(IPv4Range(one.addresses[0] + "/24")).gateway.description
            #expect(try await Peer.greeting(from: one.addresses[0], server.port, in: nil) == gateway)
            #expect(try await Peer.greeting(from: "127.0.0.1", server.port, in: one.namespace) == "127.0.0.1")
            let host = try await GreetingServer(in: nil, address: gateway)
            #expect(try await Peer.greeting(from: gateway, host.port, in: two.namespace) == two.addresses[0])
            // What listens on the host's own loopback stays the host's.
            await #expect(throws: (any Error).self) {
                _ = try await Peer.greeting(from: "127.0.0.1", host.port, in: two.namespace)
            }
            try await networks.tearDown(sandbox: one.sandbox)
            try await networks.tearDown(sandbox: one.sandbox)
            try await networks.tearDown(sandbox: two.sandbox)
            try await harness.expectNothingLeft()
        }
    }

    @Test func `a pod reaches the outside by the host's address, past a firewall that forwards nothing`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            let pod = try await networks.setUp(harness.record())
            let outside = harness.directory + "/outside"
            let (device, net) = ("vzo" + harness.mark, "198.18.\(Int.random(in: 0...255))")
            try await NetworkNamespace.make(at: outside)
            // As Docker's DROP policy, for this pod only: tests share the host.
            let drop = ["FORWARD", "-i", "vzcri" + harness.mark, "-j", "DROP"]
            try await Command.checked("iptables", ["--wait", "10", "-A"] + drop)
            do {
                try await SystemNetwork.ip([
                    "link add \(device) type veth peer name eth0 netns \"\(outside)\"",
                    "addr add \(net).1/30 dev \(device)", "link set \(device) up",
                ])
                try await SystemNetwork.ip(["addr add \(net).2/30 dev eth0", "link set eth0 up"], in: outside)
                let server = try await GreetingServer(in: outside)
                #expect(try await Peer.greeting(from: net + ".2", server.port, in: pod.namespace) == net + ".1")
            } catch { Issue.record(error) }
            try await Command.checked("iptables", ["--wait", "10", "-D"] + drop)
            try await SystemNetwork.ip(["link del \(device)"])
            try NetworkNamespace.remove(outside)
        }
    }

    @Test func `host ports lead to the pod, from everywhere`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            let free = try await NetworkHarness.freePort()
            // A connection that has just ended there keeps nobody away, and does not let two in either.
            var before: GreetingServer? = try await GreetingServer(in: nil, port: free)
            #expect(try await Peer.greeting(from: "127.0.0.1", free, in: nil) == "127.0.0.1")
            withExtendedLifetime(before) {}
            before = nil
            let record = harness.record { $0.ports = [NetworkHarness.port(8080, host: free)] }
            let pod = try await networks.setUp(record)
            let other = try await networks.setUp(harness.record())
            let server = try await GreetingServer(in: pod.namespace, port: 8080)
            let gateway = try #require(IPv4Range(pod.addresses[0] + "/24")).gateway.description
            for (address, from) in [
                ("127.0.0.1", nil), (gateway, nil), (gateway, other.namespace), (gateway, pod.namespace),
            ] {
                #expect(!(try await Peer.greeting(from: address, free, in: from)).isEmpty, "\(address)")
            }
            withExtendedLifetime(server) {}

            // Taken: by the pod, and by a program.
            await #expect { try await networks.setUp(harness.record { $0.ports = record.ports }) } throws: {
                ($0 as? ShimError)?.code == .alreadyExists && "\($0)".contains("\(free)/tcp")
            }
            try await networks.tearDown(sandbox: pod.sandbox)
            var program: GreetingServer?
            try await eventually("the port is free again") {
                program = try? await GreetingServer(in: nil, port: free)
                return program != nil
            }
            await #expect { try await networks.setUp(record) } throws: {
                ($0 as? ShimError)?.code == .alreadyExists
            }
            withExtendedLifetime(program) {}
            try await networks.tearDown(sandbox: other.sandbox)
            try await harness.expectNothingLeft()
        }
    }

    @Test(
        "mappings that can never work are refused",
        arguments: [
            (NetworkHarness.port(80, host: 70000), ShimError.Code.invalidArgument),
            (NetworkHarness.port(0, host: 8080), .invalidArgument),
            (NetworkHarness.port(80, host: 8080, transport: 7), .invalidArgument),
            (NetworkHarness.port(80, host: 8080, ip: "fe80::1"), .unsupported),
        ])
    func refused(port: SandboxRecord.PortMapping, code: ShimError.Code) async throws {
        try await NetworkHarness.with { harness in
            await #expect { try await harness.networks().setUp(harness.record { $0.ports = [port] }) } throws: {
                ($0 as? ShimError)?.code == code
            }
            try await harness.expectNothingLeft()
        }
    }

    @Test func `a pod on the host's network has the host's address`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            let record = harness.record { $0.namespaces.network = 2 }
            let pod = try await networks.setUp(record)
            #expect(pod.namespace == nil)
            #expect(pod.addresses == HostAddress.primary.map { [$0] } ?? [])
            #expect(try await harness.networks().network(of: record.id) == pod)
            try await networks.tearDown(sandbox: record.id)
            try await harness.expectNothingLeft()
        }
    }

    @Test func `kernel settings of the network are the pod's alone`() async throws {
        try await NetworkHarness.with { harness in
            let name = "/proc/sys/net/ipv4/ip_local_port_range"
            let before = try String(contentsOfFile: name, encoding: .utf8)
            let networks = try harness.networks()
            let pod = try await networks.setUp(
                harness.record { $0.sysctls = ["net.ipv4.ip_local_port_range": "2000 3000", "kernel.shmmax": "1"] })
            let inside = try await NetworkNamespace.run(in: pod.namespace!) {
                try String(contentsOfFile: name, encoding: .utf8)
            }
            #expect(inside.split(whereSeparator: \.isWhitespace) == ["2000", "3000"])
            #expect(try String(contentsOfFile: name, encoding: .utf8) == before)
            for (name, code) in [
                ("net.no.such", ShimError.Code.unsupported), ("net/../kernel/panic", .invalidArgument),
            ] {
                await #expect { try await networks.setUp(harness.record { $0.sysctls = [name: "1"] }) } throws: {
                    ($0 as? ShimError)?.code == code
                }
            }
        }
    }

    @Test func `20 pods one by one and 4 at once leave nothing behind`() async throws {
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            var (up, down): ([Duration], [Duration]) = ([], [])
            let clock = ContinuousClock()
            for round in 0..<20 {
                let record = harness.record()
                up.append(try await clock.measure { _ = try await networks.setUp(record) })
                down.append(try await clock.measure { try await networks.tearDown(sandbox: record.id) })
                if round == 0 { try await harness.expectNothingLeft() }
            }
            try await harness.expectNothingLeft()
            let keeper = harness.record()
            _ = try await networks.setUp(keeper)
            var further: [Duration] = []
            for _ in 0..<10 {
                let record = harness.record()
                further.append(try await clock.measure { _ = try await networks.setUp(record) })
                try await networks.tearDown(sandbox: record.id)
            }
            func median(_ all: [Duration]) -> Duration { all.sorted()[all.count / 2] }
            print("first pod: up \(median(up)), down \(median(down)); a further pod: up \(median(further))")
            try await networks.tearDown(sandbox: keeper.id)
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<5 {
                            let record = harness.record()
                            let pod = try await networks.setUp(record)
                            let server = try await GreetingServer(in: pod.namespace)
                            _ = try await Peer.greeting(from: pod.addresses[0], server.port, in: nil)
                            try await networks.tearDown(sandbox: record.id)
                        }
                    }
                }
            }
            try await harness.expectNothingLeft()
        }
    }

    @Test func `a set-up that is given up leaves nothing behind`() async throws {
        var random = Faults.random("a set-up that is given up leaves nothing behind")
        for _ in 0..<Faults.rounds {
            let delay = Int.random(in: 0..<60, using: &random)
            try await NetworkHarness.with { harness in
                let networks = try harness.networks()
                let record = harness.record()
                let making = Task { try await networks.setUp(record) }
                try await Task.sleep(for: .milliseconds(delay))
                making.cancel()
                switch await making.result {
                case .success: try await networks.tearDown(sandbox: record.id)
                case .failure(let error): #expect(error is CancellationError)
                }
                try await harness.expectNothingLeft()
            }
        }
    }
}
