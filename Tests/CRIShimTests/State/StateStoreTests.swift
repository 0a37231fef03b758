import NIOCore
import Proto
import RPC
import Synchronization
import Testing

@testable import CRIShim

@Suite struct StateStoreTests {
    static func sandbox(_ id: String, name: String = "web", ready: Bool = true, createdAt: Int64 = 1) -> SandboxEntry {
        var record = SandboxRecord()
        record.id = id
        record.phase = ready ? .ready : .stopped
        record.runtime = "docker"
        record.createdAt = createdAt
        record.metadata = .init(name: name, namespace: "default", uid: "u", attempt: 0)
        record.labels = ["app": name]
        return SandboxEntry(record: record, holder: "h" + id, holderRuns: true, addresses: ["172.17.0.2", "fd00::2"])
    }

    static func container(
        _ id: String, in sandbox: String = "aa", phase: ContainerEntry.Phase = .created, createdAt: Int64 = 1
    ) -> ContainerEntry {
        var record = ContainerRecord()
        record.name = "c" + id
        record.labels = ["tier": id]
        record.imageID = "sha256:1"
        var entry = ContainerEntry(id: id, sandboxID: sandbox, runtime: "docker", record: record, phase: phase)
        entry.createdAt = createdAt
        return entry
    }

    private func decode<M: RPCMessage>(_ type: M.Type, _ buffer: ByteBuffer) throws -> M {
        try buffer.withUnsafeReadableBytes { try M(wireBytes: $0) }
    }

    @Test func `a list in wire form is the list`() throws {
        let store = StateStore()
        try store.put(Self.sandbox("aa"))
        for number in 0..<200 { try store.put(Self.container("c\(number)", createdAt: Int64(number))) }
        let list = try decode(CRI.ListContainersResponse.self, store.encodedContainers(matching: nil))
        #expect(list.containers == store.containers(matching: nil).map(\.listed))
        #expect(list.containers.count == 200)
        let sandboxes = try decode(CRI.ListPodSandboxResponse.self, store.encodedSandboxes(matching: nil))
        #expect(sandboxes.items == [Self.sandbox("aa").listed])
    }

    @Test func `a change shows in the next list`() throws {
        let store = StateStore()
        try store.put(Self.container("c1"))
        _ = store.encodedContainers(matching: nil)
        try store.put(Self.container("c1", phase: .running))
        #expect(
            try decode(CRI.ListContainersResponse.self, store.encodedContainers(matching: nil)).containers.first?.state
                == .containerRunning)
        store.removeContainer("c1")
        #expect(store.encodedContainers(matching: nil).readableBytes == 0)
    }

    @Test func `filters select by id, state, sandbox and labels`() throws {
        let store = StateStore()
        try store.put(Self.container("c1", in: "aa", phase: .running))
        try store.put(Self.container("c2", in: "bb"))
        func ids(_ change: (inout CRI.ContainerFilter) -> Void) throws -> [String] {
            try decode(CRI.ListContainersResponse.self, store.encodedContainers(matching: .init(change))).containers
                .map(\.id)
        }
        #expect(try ids { $0.id = "c1" } == ["c1"])
        #expect(try ids { $0.state = .init { $0.state = .containerCreated } } == ["c2"])
        #expect(try ids { $0.podSandboxId = "bb" } == ["c2"])
        #expect(try ids { $0.labelSelector = ["tier": "c1"] } == ["c1"])
        #expect(try ids { $0.labelSelector = ["tier": "x"] } == [])
    }

    @Test func `an object is found by the beginning of its id when that is unique`() throws {
        let store = StateStore()
        try store.put(Self.container("abc1"))
        try store.put(Self.container("abd2"))
        #expect(try store.container("abc").id == "abc1")
        #expect(try store.container("abd2").id == "abd2")
        #expect { try store.container("ab") } throws: { ($0 as? ShimError)?.code == .invalidArgument }
        #expect { try store.container("x") } throws: { ($0 as? ShimError)?.code == .notFound }
        #expect { try store.container("") } throws: { ($0 as? ShimError)?.code == .invalidArgument }
    }

    @Test func `a sandbox is ready only while its pause container runs`() throws {
        var sandbox = Self.sandbox("aa")
        #expect(sandbox.state == .sandboxReady)
        sandbox.holderRuns = false
        #expect(sandbox.state == .sandboxNotready)
        sandbox.record.runtime = nil
        #expect(sandbox.state == .sandboxReady, "a record-only sandbox has nothing that could fail")
        sandbox.record.phase = .creating
        #expect(sandbox.state == .sandboxNotready, "half made is never ready")
    }

    @Test func `an unknown address is absent, not empty`() {
        var sandbox = Self.sandbox("aa")
        #expect(sandbox.status.network?.ip == "172.17.0.2")
        #expect(sandbox.status.network?.additionalIps.map(\.ip) == ["fd00::2"])
        sandbox.addresses = []
        #expect(sandbox.status.network == nil)
    }

    @Test func `a reader of events sees each step once`() async throws {
        let store = StateStore()
        let subscription = store.subscribe()
        try store.put(Self.sandbox("aa"))
        try store.put(Self.container("c1"))
        try store.put(Self.container("c1"))
        try store.put(Self.container("c1", phase: .running))
        try store.put(Self.container("c1", phase: .exited))
        store.removeContainer("c1")
        try store.updateSandbox("aa") { $0.holderRuns = false }
        store.removeSandbox("aa")
        store.unsubscribe(subscription)
        var seen: [String] = []
        for await event in subscription.events {
            seen.append("\(event.containerId) \(event.containerEventType.rawValue)")
        }
        #expect(seen == ["aa 0", "aa 1", "c1 0", "c1 1", "c1 2", "c1 3", "aa 2", "aa 3"])
    }

    @Test func `a reader of events that is too slow is told, not dropped from silently`() async throws {
        let store = StateStore()
        let slow = store.subscribe()
        for number in 0...EventSubscriber.capacity { try store.put(Self.container("c\(number)")) }
        var told = false
        for await _ in slow.overflow { told = true }
        #expect(told)
        #expect(store.state.withLock { $0.subscribers.isEmpty })
    }

    @Test func `until the engine was asked, a read of its part fails instead of showing nothing`() throws {
        let store = StateStore()
        var docker = SandboxRecord()
        docker.id = "d1"
        docker.phase = .ready
        docker.runtime = "docker"
        var alone = SandboxRecord()
        alone.id = "v1"
        alone.phase = .ready
        try store.put(SandboxEntry(record: docker))
        try store.put(SandboxEntry(record: alone))
        store.beIncomplete("docker", because: ShimError(.unavailable, "not yet"))

        #expect(throws: ShimError.self) { try store.requireSandboxesKnown(matching: nil) }
        #expect(throws: ShimError.self) { try store.requireContainersKnown(matching: nil) }
        #expect(throws: ShimError.self) { try store.requireKnown(try store.sandbox("d1")) }
        #expect(throws: ShimError.self) { try store.requireContainersKnown(for: "c1") }
        // What is not the engine's is known.
        try store.requireKnown(try store.sandbox("v1"))
        try store.requireSandboxesKnown(matching: .init { $0.id = "v1" })
        try store.requireContainersKnown(matching: .init { $0.podSandboxId = "v1" })

        store.removeSandbox("d1")
        try store.requireSandboxesKnown(matching: nil)
        try store.requireContainersKnown(matching: nil)
        try store.requireContainersKnown(for: "c1")

        try store.put(SandboxEntry(record: docker))
        store.becomeComplete("docker")
        try store.requireSandboxesKnown(matching: nil)
    }
}
