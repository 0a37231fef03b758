import Proto
import Streaming
import Synchronization

@testable import CRIShim

/// An engine that holds sandboxes and runs containers in memory.
final class FakeHolder: SandboxRuntime {
    let name = "docker"
    let store: StateStore
    struct State {
        var isReady = true
        var holders = 0
        var networks: [String?] = []
        var removed: [String] = []
    }
    let state = Mutex(State())

    let joinsHostNamespaces = true

    init(store: StateStore) { self.store = store }

    var health: RuntimeHealth {
        state.withLock { $0.isReady } ? .ready : RuntimeHealth(isReady: false, reason: "Down", message: "it is down")
    }

    private func require() throws {
        guard health.isReady else { throw ShimError(.unavailable, "it is down") }
    }

    func startSandbox(_ record: SandboxRecord, network: PodNetwork?) async throws -> SandboxHolder {
        try require()
        let number = state.withLock { state in
            state.holders += 1
            state.networks.append(network?.namespace)
            return state.holders
        }
        return SandboxHolder(id: "pause\(number)", addresses: ["172.17.0.\(number)"], process: 1)
    }

    func restoreHolder(_ sandbox: SandboxEntry, network: PodNetwork?) async throws -> SandboxHolder {
        for container in store.containers(inSandbox: sandbox.id) where container.runtime == name {
            try await stopContainer(container, timeout: 0)
        }
        return try await startSandbox(sandbox.record, network: network)
    }

    func stopSandbox(_ sandbox: SandboxEntry) async throws {
        try require()
        try store.updateSandbox(sandbox.id) { $0.holderRuns = false }
    }

    func removeSandbox(_ sandbox: SandboxEntry) async throws {
        try require()
        state.withLock { $0.removed.append(sandbox.id) }
    }

    func createContainer(_ creation: ContainerCreation) async throws -> String {
        try require()
        var record = ContainerRecord()
        record.name = creation.config.metadata?.name ?? ""
        let id = Identifiers.hex(64)
        try store.put(ContainerEntry(id: id, sandboxID: creation.sandbox.id, runtime: name, record: record))
        return id
    }

    private func change(_ container: ContainerEntry, _ phase: ContainerEntry.Phase) throws {
        try require()
        var entry = container
        entry.phase = phase
        try store.put(entry)
    }

    func startContainer(_ container: ContainerEntry) async throws { try change(container, .running) }
    func stopContainer(_ container: ContainerEntry, timeout: Int64) async throws { try change(container, .exited) }
    func removeContainer(_ container: ContainerEntry) async throws {
        try require()
        store.removeContainer(container.id)
    }
    func updateResources(_ container: ContainerEntry, _ resources: CRI.LinuxContainerResources) async throws {}
    func reopenLog(_ container: ContainerEntry) async throws {}
    func execSync(_ container: ContainerEntry, command: [String], timeout: Int64) async throws -> ExecSyncOutcome {
        .init(stdout: [], stderr: [], exitCode: 0)
    }
    func exec(
        _ container: ContainerEntry, command: [String], options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult { .exited(code: 0) }
    func attach(
        _ container: ContainerEntry, options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult { .exited(code: 0) }
    func forward(_ sandbox: SandboxEntry, port: Int, connection: PortConnection) async throws {}
    func measurements(of containers: [ContainerEntry]) async -> [String: Measurement] { [:] }
    func details(_ container: ContainerEntry) -> [String: String] { [:] }
}

/// Networks that are names only.
final class FakeNetworks: SandboxNetworks {
    struct State {
        var networks: [String: PodNetwork] = [:]
        var failure: ShimError?
    }
    let state = Mutex(State())

    func setUp(_ record: SandboxRecord, begun: @escaping @Sendable (PodNetwork) -> Void) async throws -> PodNetwork {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            var network = PodNetwork(sandbox: record.id, kind: .bridge)
            network.namespace = "/netns/" + record.id
            network.addresses = ["10.88.0.2"]
            state.networks[record.id] = network
            return network
        }
    }

    func network(of id: String) async throws -> PodNetwork? { state.withLock { $0.networks[id] } }
    func tearDown(sandbox id: String) async throws { state.withLock { $0.networks[id] = nil } }
    func adopt(known sandboxIDs: Set<String>) async throws {
        state.withLock { $0.networks = $0.networks.filter { sandboxIDs.contains($0.key) } }
    }
}
