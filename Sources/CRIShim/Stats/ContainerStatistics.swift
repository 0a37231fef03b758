import Proto

/// Answers what containers and pods use.
struct ContainerStatistics: Sendable {
    let store: StateStore
    let runtimes: Runtimes

    /// - Throws: `notFound`.
    func container(_ id: String) async throws -> CRI.ContainerStats {
        let container = try store.container(id)
        return Self.stats(of: container, await runtimes.measurements(of: [container])[container.id])
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
        let found = store.containers(matching: wanted).filter { $0.phase != .exited }
        let measured = await runtimes.measurements(of: found)
        return found.map { Self.stats(of: $0, measured[$0.id]) }
    }

    func sandbox(_ id: String) async throws -> CRI.PodSandboxStats {
        Self.stats(of: await measured([try store.sandbox(id)])[0])
    }

    func sandboxes(matching filter: CRI.PodSandboxStatsFilter?) async throws -> [CRI.PodSandboxStats] {
        let wanted = filter.map { filter in
            CRI.PodSandboxFilter {
                $0.id = filter.id
                $0.labelSelector = filter.labelSelector
            }
        }
        return await measured(store.sandboxes(matching: wanted).filter(\.isReady)).map(Self.stats)
    }

    /// For `/metrics/cadvisor`: of every pod that is ready.
    func metrics() async -> [CRI.PodSandboxMetrics] {
        await measured(store.sandboxes(matching: nil).filter(\.isReady)).map(ContainerMetrics.metrics)
    }

    /// A pod and its containers, as they were measured.
    struct MeasuredPod: Sendable {
        var sandbox: SandboxEntry
        /// Those that have not ended.
        var containers: [(entry: ContainerEntry, measurement: Measurement?)]

        /// nil when it has none that runs, or one of them is not known: a sum that leaves something out is no sum.
        var sum: Measurement? {
            let running = containers.filter { $0.entry.phase == .running }.map(\.measurement)
            let known = running.compactMap { $0 }.filter { $0.processor != nil }
            return known.count == running.count ? Measurement.sum(known) : nil
        }

        /// What can be said of the pod although something of it is not known.
        var partial: Measurement? {
            Measurement.sum(containers.compactMap(\.measurement).filter { $0.processor != nil })
        }
    }

    /// All pods' containers side by side.
    private func measured(_ sandboxes: [SandboxEntry]) async -> [MeasuredPod] {
        let containers = sandboxes.map { sandbox in
            store.containers(inSandbox: sandbox.id).filter { $0.phase != .exited }
        }
        let all = await runtimes.measurements(of: containers.flatMap { $0 })
        return zip(sandboxes, containers).map { sandbox, containers in
            MeasuredPod(sandbox: sandbox, containers: containers.map { ($0, all[$0.id]) })
        }
    }

    // MARK: Messages

    private static func stats(of container: ContainerEntry, _ measurement: Measurement?) -> CRI.ContainerStats {
        .init {
            $0.attributes = .init {
                $0.id = container.id
                $0.metadata = container.metadata
                $0.labels = container.record.labels
                $0.annotations = container.record.annotations
            }
            $0.cpu = measurement?.cpuUsage
            $0.memory = measurement?.memoryUsage
            $0.writableLayer = measurement?.writableLayer
            $0.swap = measurement?.swapUsage
        }
    }

    private static func stats(of pod: MeasuredPod) -> CRI.PodSandboxStats {
        .init {
            $0.attributes = .init {
                $0.id = pod.sandbox.id
                $0.metadata = pod.sandbox.metadata
                $0.labels = pod.sandbox.record.labels
                $0.annotations = pod.sandbox.record.annotations
            }
            $0.linux = .init {
                $0.containers = pod.containers.map { stats(of: $0.entry, $0.measurement) }
                $0.network = pod.partial?.networkUsage
                guard let sum = pod.sum else { return }
                $0.cpu = sum.cpuUsage
                $0.memory = sum.memoryUsage
                guard let processes = sum.processes else { return }
                $0.process = .init {
                    $0.timestamp = sum.time
                    $0.processCount = .init { $0.value = processes }
                }
            }
        }
    }
}

extension Runtimes {
    /// What containers use, by their ids; all runtimes side by side.
    func measurements(of containers: [ContainerEntry]) async -> [String: Measurement] {
        await withTaskGroup(of: [String: Measurement].self) { group in
            for runtime in all {
                let own = containers.filter { $0.runtime == runtime.name }
                if !own.isEmpty { group.addTask { await runtime.measurements(of: own) } }
            }
            return await group.reduce(into: [:]) { all, part in all.merge(part) { $1 } }
        }
    }
}
