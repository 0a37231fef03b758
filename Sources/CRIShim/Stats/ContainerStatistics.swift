import Proto

/// Answers what containers and pods use. Machines are measured; of other containers nothing is known here.
struct ContainerStatistics: Sendable {
    let store: StateStore
    let runtimes: Runtimes
    /// Where machines' disks are.
    let directory: String

    /// - Throws: `notFound`; `unsupported` for a container that nobody measures.
    func container(_ id: String) async throws -> CRI.ContainerStats {
        let container = try store.container(id)
        guard let runtime = runtimes.machines, container.runtime == runtime.name else {
            throw ShimError(
                .unsupported, "what container \(container.id) uses is not measured: it is no virtual machine")
        }
        return stats(of: container, try await measured([container])[container.id])
    }

    func containers(matching filter: CRI.ContainerStatsFilter?) async throws -> [CRI.ContainerStats] {
        let wanted = filter.map { filter in
            CRI.ContainerFilter {
                $0.id = filter.id
                $0.podSandboxId = filter.podSandboxId
                $0.labelSelector = filter.labelSelector
            }
        }
        try store.requireContainersKnown(matching: wanted)
        let found = store.containers(matching: wanted).filter { isMeasured($0) }
        let measured = try await measured(found)
        return found.map { stats(of: $0, measured[$0.id]) }
    }

    func sandbox(_ id: String) async throws -> CRI.PodSandboxStats {
        let sandbox = try store.sandbox(id)
        return try await stats(of: [sandbox])[0]
    }

    func sandboxes(matching filter: CRI.PodSandboxStatsFilter?) async throws -> [CRI.PodSandboxStats] {
        let wanted = filter.map { filter in
            CRI.PodSandboxFilter {
                $0.id = filter.id
                $0.labelSelector = filter.labelSelector
            }
        }
        return try await stats(of: store.sandboxes(matching: wanted).filter(\.isReady))
    }

    // MARK: Messages

    private func isMeasured(_ container: ContainerEntry) -> Bool {
        container.runtime == runtimes.machines?.name && container.phase != .exited
    }

    private func measured(_ containers: [ContainerEntry]) async throws -> [String: MachineMeasurement] {
        await runtimes.machines?.measurements(of: containers) ?? [:]
    }

    private func stats(of container: ContainerEntry, _ measurement: MachineMeasurement?) -> CRI.ContainerStats {
        .init {
            $0.attributes = .init {
                $0.id = container.id
                $0.metadata = container.metadata
                $0.labels = container.record.labels
                $0.annotations = container.record.annotations
            }
            $0.cpu = measurement?.cpu
            $0.memory = measurement?.memory
            $0.writableLayer = measurement?.writableLayer(on: directory)
        }
    }

    /// All pods' machines side by side.
    private func stats(of sandboxes: [SandboxEntry]) async throws -> [CRI.PodSandboxStats] {
        let containers = sandboxes.map { sandbox in
            store.containers(inSandbox: sandbox.id).filter { $0.phase != .exited }
        }
        let all = try await measured(containers.flatMap { $0 }.filter(isMeasured))
        return zip(sandboxes, containers).map { sandbox, containers in
            CRI.PodSandboxStats {
                $0.attributes = .init {
                    $0.id = sandbox.id
                    $0.metadata = sandbox.metadata
                    $0.labels = sandbox.record.labels
                    $0.annotations = sandbox.record.annotations
                }
                $0.linux = pod(containers, all)
            }
        }
    }

    private func pod(
        _ containers: [ContainerEntry], _ all: [String: MachineMeasurement]
    ) -> CRI.LinuxPodSandboxStats {
        let machines = containers.filter(isMeasured)
        let parts = machines.compactMap { all[$0.id] }.filter { $0.usage != nil }
        return .init {
            $0.containers = machines.map { stats(of: $0, all[$0.id]) }
            guard let time = parts.map(\.time).max() else { return }
            $0.network = parts.lazy.compactMap(\.network).first
            $0.process = .init {
                $0.timestamp = time
                $0.processCount = .init { $0.value = parts.reduce(0) { $0 + UInt64($1.processes) } }
            }
            // A sum that leaves something out is no sum.
            guard machines.count == containers.count else { return }
            var sum = MachineMeasurement(time: time, usage: .sum([]))
            // Machines share nothing with each other.
            for part in parts {
                sum.usage?.processorNanoseconds += part.usage?.processorNanoseconds ?? 0
                sum.usage?.ownBytes += part.workingSet
                sum.usage?.fileBytes += part.usage?.fileBytes ?? 0
                sum.usage?.pageFaults += part.usage?.pageFaults ?? 0
                sum.usage?.majorPageFaults += part.usage?.majorPageFaults ?? 0
                if let rate = part.rate { sum.rate = (sum.rate ?? 0) + rate }
                sum.memoryBytes += part.memoryBytes
            }
            $0.cpu = sum.cpu
            $0.memory = sum.memory
        }
    }
}
