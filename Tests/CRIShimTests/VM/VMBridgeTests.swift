import Proto
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

/// Machines with addresses of their own, over supervisors that are played.
@Suite struct VMBridgeTests {
    private static func with(_ body: (VMBench) async throws -> Void) async throws {
        try await VMBench.with(configure: { $0.bridge = "br0" }, body)
    }

    private func address(_ bench: VMBench, _ sandbox: SandboxEntry) throws -> String? {
        try bench.store.sandbox(sandbox.id).status.network?.ip
    }

    @Test func `a machine on a bridge has its supervisor outside of the pod, and the pod its address`() async throws {
        try await Self.with { bench in
            let sandbox = try bench.sandbox { $0.hasGuestAddress = true }
            #expect(try address(bench, sandbox) == nil)
            let id = try await bench.create(in: sandbox)
            let config = try bench.runtime.machine(id).config.network
            #expect(config.mode == .bridged)
            #expect(config.interface == "br0")
            #expect(config.namespace == "/some/netns")
            #expect(config.podAddress == "127.0.0.1")
            try await bench.start(id)
            #expect(bench.supervisors.launches.withLock { $0.map(\.namespace) } == [nil])
            try await eventually("the address is known") { try address(bench, sandbox) == "127.0.0.1" }
        }
    }

    @Test func `a change is followed and told, and the last address stays when the machine has ended`() async throws {
        try await Self.with { bench in
            let sandbox = try bench.sandbox { $0.hasGuestAddress = true }
            let id = try await bench.create(in: sandbox)
            try await bench.start(id)
            let events = bench.store.subscribe()
            defer { bench.store.unsubscribe(events) }
            try bench.supervisor(id).move(to: "192.0.2.9")
            var heard = events.events.makeAsyncIterator()
            while let event = await heard.next() {
                if event.podSandboxStatus?.network?.ip == "192.0.2.9" { break }
            }
            #expect(try address(bench, sandbox) == "192.0.2.9")
            try await bench.supervisor(id).end(code: 0)
            _ = try await bench.ended(id)
            #expect(try address(bench, sandbox) == "192.0.2.9")
            // Known to whoever starts after us.
            let next = try await bench.restarted(sandboxes: [SandboxEntry(record: sandbox.record)])
            #expect(try address(next, sandbox) == "192.0.2.9")
            await next.runtime.shutDown()
        }
    }

    @Test func `a pod of machines and containers keeps its own address, and one from before the bridge its network`()
        async throws
    {
        try await Self.with { bench in
            let hybrid = try bench.sandbox { $0.handler = "" }
            let first = try await bench.create(in: hybrid)
            #expect(try bench.runtime.machine(first).config.network.mode == .bridged)
            try await bench.start(first)
            #expect(try address(bench, hybrid) == "10.1.2.3")
            let old = try bench.sandbox()
            let second = try await bench.create(in: old)
            #expect(try bench.runtime.machine(second).config.network.mode == .user)
            #expect(try address(bench, old) == "10.1.2.3")
        }
    }

    @Test func `the addresses of several machines are told in the order of their places`() async throws {
        try await Self.with { bench in
            let sandbox = try bench.sandbox { $0.hasGuestAddress = true }
            var ids: [String] = []
            for name in ["a", "b"] {
                ids.append(try await bench.create(in: sandbox, name: name))
                try await bench.start(ids.last!)
            }
            try bench.supervisor(ids[1]).move(to: "192.0.2.2")
            try bench.supervisor(ids[0]).move(to: "192.0.2.1")
            try await eventually("both are known") {
                let network = try bench.store.sandbox(sandbox.id).status.network
                return network?.ip == "192.0.2.1" && network?.additionalIps.map(\.ip) == ["192.0.2.2"]
            }
        }
    }
}
