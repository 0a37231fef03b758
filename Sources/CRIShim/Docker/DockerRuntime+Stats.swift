import Docker
import Proto
import Synchronization
import VZEngine

extension DockerRuntime {
    /// How long anybody waits for one container's numbers.
    private static let measureLimit = Duration.seconds(2)
    /// How many containers the engine is asked about at a time.
    private static let atATime = 32

    func measurements(of containers: [ContainerEntry]) async -> [String: Measurement] {
        await withTaskGroup(of: (String, Measurement?).self) { group in
            var all: [String: Measurement] = [:]
            for (index, container) in containers.enumerated() {
                if index >= Self.atATime, let (id, measurement) = await group.next() { all[id] = measurement }
                let meter = meter(of: container)
                group.addTask {
                    guard container.phase == .running else {
                        let disk = meter.disk.map { Measurement(time: Timestamps.now(), disk: $0) }
                        return (container.id, disk)
                    }
                    let limit = container.resources?.memoryLimitInBytes ?? 0
                    return (container.id, await meter.measurement(memoryLimit: limit, within: Self.measureLimit))
                }
            }
            for await (id, measurement) in group { all[id] = measurement }
            return all
        }
    }

    private func meter(of container: ContainerEntry) -> EngineMeter {
        state.withLock { state in
            if let meter = state.meters[container.id] { return meter }
            let meter = EngineMeter(container: container.id, source: source(of: container), logger: logger)
            state.meters[container.id] = meter
            return meter
        }
    }

    private func source(of container: ContainerEntry) -> EngineMeter.Source {
        let (id, sandboxID) = (container.id, container.sandboxID)
        var source = EngineMeter.Source(
            stats: { [client] in try await client.containerStats(id, timeout: .seconds(30)) },
            size: { [client] in try await client.containerSize(id) },
            directory: { [info] in info.engine?.rootDirectory ?? "" })
        source.outOfMemory = { [weak self] in self?.state.withLock { $0.outOfMemory[id] } ?? 0 }
        if isLocal {
            source.host = { [store] in
                guard let process = try store.containerIfPresent(id)?.processID, process > 0 else { return nil }
                return try await RootDirectory.offload { try HostCounts.of(id, process: process) }
            }
        }
        // A network of ours is none of the engine's: it counts what goes through an empty one. Then its processes are this
        // host's.
        let sandbox: @Sendable () -> SandboxEntry? = { [store] in
            store.sandboxes(matching: .init { $0.id = sandboxID }).first
        }
        if sandbox()?.record.hasOwnNetwork == true {
            source.interfaces = {
                guard let process = sandbox()?.holderProcess, process > 0 else { return [] }
                return try await RootDirectory.offload {
                    try InterfaceCounters.ofNamespace(ofProcess: Int32(clamping: process))
                }
            }
        }
        return source
    }
}
