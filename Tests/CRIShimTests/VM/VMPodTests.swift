import Logging
import Proto
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

/// Pods with machines in them, as the service layer sees them.
@Suite struct VMPodTests {
    struct Pods: Sendable {
        let bench: VMBench
        let holder: FakeHolder
        let networks: FakeNetworks
        let root: RootDirectory
        let sandboxes: Sandboxes
        let containers: Containers

        init(_ bench: VMBench) throws {
            self.bench = bench
            holder = FakeHolder(store: bench.store)
            networks = FakeNetworks()
            var logger = Logger(label: "pods")
            logger.logLevel = .critical
            let runtimes = Runtimes(standard: holder, machines: bench.runtime)
            root = try RootDirectory(path: bench.directory + "/r")
            sandboxes = Sandboxes(
                store: bench.store, root: root, runtimes: runtimes, networks: networks, slots: bench.slots,
                logger: logger)
            containers = Containers(
                store: bench.store, sandboxes: sandboxes, runtimes: runtimes,
                chooser: RuntimeChoice(
                    vmImage: { $0 == "localhost/guest:1" ? "sha256:1" : nil }, dockerImage: { _ in nil }),
                logger: logger)
        }

        func run(_ handler: String, _ annotations: [String: String] = [:]) async throws -> String {
            try await sandboxes.run(
                .init {
                    $0.metadata = .init {
                        $0.name = "pod"
                        $0.namespace = "default"
                        $0.uid = Identifiers.hex(8)
                    }
                    $0.annotations = annotations
                }, handler: handler)
        }

        func create(_ name: String, in sandbox: String, image: String = "localhost/guest:1", ports: [Int] = [])
            async throws -> String
        {
            try await containers.create(
                .init {
                    $0.podSandboxId = sandbox
                    $0.config = .init {
                        $0.metadata = .init { $0.name = name }
                        $0.image = .init { $0.image = image }
                        let list = ports.map { #"{"containerPort":\#($0)}"# }.joined(separator: ",")
                        $0.annotations = [MachinePorts.annotation: "[\(list)]"]
                    }
                })
        }

        func sandbox(_ id: String) throws -> SandboxEntry { try bench.store.sandbox(id) }
    }

    static func with(slots: Int = 4, _ body: (Pods) async throws -> Void) async throws {
        try await VMBench.with(slots: slots) { try await body(try Pods($0)) }
    }

    @Test func `a pod of machines needs no engine`() async throws {
        try await Self.with { pods async throws in
            pods.holder.state.withLock { $0.isReady = false }
            let id = try await pods.run("vm")
            #expect(try pods.sandbox(id).isReady)
            #expect(try pods.sandbox(id).status.network?.ip == "10.88.0.2")
            let machine = try await pods.create("main", in: id)
            try await pods.containers.start(machine)
            #expect(pods.bench.supervisors.launches.withLock { $0.first?.namespace } == "/netns/" + id)
            #expect(try pods.bench.supervisor(machine).config.network.podAddress == "10.88.0.2")
            await #expect(throws: ShimError.self) { _ = try await pods.create("side", in: id, image: "busybox") }

            try await pods.sandboxes.stop(id)
            #expect(try pods.bench.container(machine).phase == .exited)
            #expect(try !pods.sandbox(id).isReady)
            #expect(pods.networks.state.withLock { $0.networks.isEmpty })
            try await pods.sandboxes.stop(id)
            try await pods.sandboxes.remove(id)
            #expect(pods.bench.bundles.isEmpty)
            #expect(try RootDirectory.entries(of: pods.bench.directory + "/r/sandboxes").isEmpty)
            #expect(pods.holder.state.withLock { $0.holders == 0 && $0.removed.isEmpty })
        }
    }

    @Test func `a container joins the network that the pod has`() async throws {
        try await Self.with { pods async throws in
            let id = try await pods.run("vm")
            let machine = try await pods.create("main", in: id)
            let side = try await pods.create("side", in: id, image: "busybox")
            #expect(pods.holder.state.withLock { $0.networks } == ["/netns/" + id])
            #expect(try pods.sandbox(id).record.runtime == "docker")
            #expect(try pods.sandbox(id).addresses == ["10.88.0.2"])
            try await pods.containers.start(machine)
            try await pods.containers.start(side)
            // A machine's end is no matter of the pod's.
            try await pods.containers.stop(machine, timeout: 1)
            #expect(try pods.bench.container(machine).exitCode == 143)
            #expect(try pods.sandbox(id).isReady)
            #expect(try pods.bench.container(side).phase == .running)
        }
    }

    @Test func `machines that are made at the same time have places of their own`() async throws {
        try await Self.with { pods async throws in
            let id = try await pods.run("vm")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in ["a", "b", "c", "d"] {
                    group.addTask { _ = try await pods.create(name, in: id) }
                }
                try await group.waitForAll()
            }
            let places = pods.bench.runtime.machines(inSandbox: id).map(\.config.network.index)
            #expect(places.sorted() == [0, 1, 2, 3])
            // What was promised is not kept beyond the making.
            #expect(pods.bench.runtime.state.withLock { $0.promised.isEmpty })
        }
    }

    @Test func `a machine in an engine's sandbox joins its namespace`() async throws {
        try await Self.with { pods async throws in
            let id = try await pods.run("")
            #expect(try pods.sandbox(id).holder == "pause1")
            let machine = try await pods.create("main", in: id)
            try await pods.containers.start(machine)
            #expect(pods.bench.supervisors.launches.withLock { $0.first?.namespace } == "/proc/1/ns/net")
            #expect(try pods.sandbox(id).addresses == ["172.17.0.1"])
            // The handler that has no machines.
            let docker = try await pods.run("docker")
            let error = await #expect(throws: ShimError.self) { _ = try await pods.create("main", in: docker) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `a sandbox that is only a record gets a network from its first machine`() async throws {
        try await Self.with { pods async throws in
            pods.holder.state.withLock { $0.isReady = false }
            let id = try await pods.run("")
            #expect(try pods.sandbox(id).status.network == nil)
            _ = try await pods.create("main", in: id)
            #expect(try pods.sandbox(id).status.network?.ip == "10.88.0.2")
            try await pods.sandboxes.stop(id)
            #expect(pods.networks.state.withLock { $0.networks.isEmpty })
        }
    }

    @Test func `a dead holder is made again while a machine lives, and its containers have ended`() async throws {
        try await Self.with { pods async throws in
            let keeper = Task { await pods.sandboxes.keepHolders() }
            defer { keeper.cancel() }
            let id = try await pods.run("vm")
            let machine = try await pods.create("main", in: id)
            let side = try await pods.create("side", in: id, image: "busybox")
            try await pods.containers.start(machine)
            try await pods.containers.start(side)
            try pods.bench.store.updateSandbox(id) { $0.holderRuns = false }
            #expect(try pods.sandbox(id).isReady, "never not ready in between")
            try await eventually("the holder is there again") { try pods.sandbox(id).holderRuns }
            #expect(try pods.sandbox(id).holder == "pause2")
            #expect(try pods.sandbox(id).addresses == ["10.88.0.2"])
            #expect(try pods.bench.container(side).phase == .exited)
            #expect(try pods.bench.container(machine).phase == .running)

            try await pods.containers.stop(machine, timeout: 0)
            try pods.bench.store.updateSandbox(id) { $0.holderRuns = false }
            #expect(try !pods.sandbox(id).isReady, "without a machine a dead holder is the sandbox's end")
            keeper.cancel()
            await keeper.value
            #expect(pods.holder.state.withLock { $0.holders } == 2)
        }
    }

    @Test func `a pod reserves its machines' slots when it is made, all or none`() async throws {
        try await Self.with(slots: 3) { pods async throws in
            let first = try await pods.run("vm", [VMSlots.annotation: "2"])
            #expect(pods.bench.slots.snapshot.free(.linux) == 1)
            let none = await #expect(throws: ShimError.self) { _ = try await pods.run("vm", [VMSlots.annotation: "2"]) }
            #expect(none?.code == .exhausted)
            #expect(none?.message.hasPrefix("WaitingForVMSlot:") == true)
            let never = await #expect(throws: ShimError.self) {
                _ = try await pods.run("vm", [VMSlots.annotation: "4"])
            }
            #expect(never?.code == .invalidArgument)
            let bad = await #expect(throws: ShimError.self) {
                _ = try await pods.run("vm", [VMSlots.annotation: "two"])
            }
            #expect(bad?.code == .invalidArgument)
            #expect(pods.bench.store.sandboxes(matching: nil).map(\.id) == [first])
            #expect(pods.networks.state.withLock { $0.networks.count } == 1)
            _ = try await pods.create("a", in: first)
            _ = try await pods.create("b", in: first)
            #expect(pods.bench.slots.snapshot.free(.linux) == 1)
            try await pods.sandboxes.remove(first)
            #expect(pods.bench.slots.snapshot == SlotLedger(totals: pods.bench.slots.snapshot.totals))
        }
    }

    @Test func `a network that cannot be made leaves no sandbox and no reservation`() async throws {
        try await Self.with { pods async throws in
            pods.networks.state.withLock { $0.failure = ShimError(.exhausted, "no address is free") }
            await #expect(throws: ShimError.self) { _ = try await pods.run("vm", [VMSlots.annotation: "2"]) }
            #expect(pods.bench.store.sandboxes(matching: nil).isEmpty)
            #expect(pods.bench.slots.snapshot.taken(.linux) == 0)
            #expect(try RootDirectory.entries(of: pods.bench.directory + "/r/sandboxes").isEmpty)
        }
    }

    @Test func `a port is the machine's that declares it, else the holder's`() async throws {
        try await Self.with { pods async throws in
            let id = try await pods.run("vm")
            #expect(throws: ShimError.self) { try pods.sandboxes.forwarder(id, port: 80) }
            let machine = try await pods.create("main", in: id, ports: [80])
            try await pods.containers.start(machine)
            #expect(try pods.sandboxes.forwarder(id, port: 80).name == "vm")
            #expect(try pods.sandboxes.forwarder(id, port: 81).name == "vm")
            _ = try await pods.create("side", in: id, image: "busybox")
            #expect(try pods.sandboxes.forwarder(id, port: 80).name == "vm")
            #expect(try pods.sandboxes.forwarder(id, port: 81).name == "docker")
        }
    }

    @Test func `stopping a machine that is starting ends it`() async throws {
        try await Self.with { pods async throws in
            pods.bench.supervisors.behaviour.withLock { $0.waits = true }
            let id = try await pods.run("vm")
            let machine = try await pods.create("main", in: id)
            let starting = Task { try await pods.containers.start(machine) }
            try await eventually("it starts") { pods.bench.supervisors[machine] != nil }
            try await pods.containers.stop(machine, timeout: 3)
            _ = await starting.result
            #expect(try pods.bench.container(machine).phase == .exited)
        }
    }
}
