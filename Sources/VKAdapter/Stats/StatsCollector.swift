import HostFiles
import KubeAPI
import Logging
import Proto

/// Looks at what everything uses. Those who ask at the same time share a look; a call that hangs costs what it would have
/// told, and no more than its deadline.
struct StatsCollector: Sendable {
    private let cache: ReplyCache<Bool, StatsSample>

    /// - Parameters:
    ///   - deadline: of each question.
    ///   - lifetime: how long a look is good for others.
    init(
        nodeName: String, store: PodStore, runtime: any NodeRuntime, machine: any NodeUsageSource,
        volumes: @escaping @Sendable (String) async throws -> [VolumeUse] = { _ in [] },
        deadline: Duration = .seconds(5), lifetime: Duration = .seconds(1), logger: Logger
    ) {
        let rates = ProcessorRates()
        let look = StatsLook(
            nodeName: nodeName, store: store, runtime: runtime, machine: machine, volumes: volumes, rates: rates,
            deadline: deadline, logger: logger)
        cache = ReplyCache(limit: 1, lifetime: { _ in lifetime }, ask: { _ in await look.sample() })
    }

    func sample() async throws -> StatsSample { try await cache.reply(to: true) }
}

private struct StatsLook: Sendable {
    let nodeName: String
    let store: PodStore
    let runtime: any NodeRuntime
    let machine: any NodeUsageSource
    let volumes: @Sendable (String) async throws -> [VolumeUse]
    let rates: ProcessorRates
    let deadline: Duration
    let logger: Logger

    func sample() async -> StatsSample {
        async let machineAnswer = asked("how the machine is") { try await machine.usage() }
        async let sandboxAnswer = asked("what pods use") { try await runtime.sandboxStats() }
        async let containerAnswer = asked("what containers use") { try await runtime.containerStats() }
        async let imageAnswer = asked("what images take") { try await runtime.imageFileSystem() }
        let running = store.all.filter { !$0.isOver }
        async let volumeAnswers = volumes(of: running)

        var sample = StatsSample(nodeName: nodeName)
        let (node, sandboxes, containers, images) = await (machineAnswer, sandboxAnswer, containerAnswer, imageAnswer)
        sample.isPartial = [node.isMissing, containers.isMissing].contains(true)
        sample.node = node.value
        sample.imageFileSystem = images.value?.imageFilesystems.first
        sample.containerFileSystem = images.value?.containerFilesystems.first
        if let place = sample.imageFileSystem?.fsId?.mountpoint, !place.isEmpty {
            sample.imageVolume =
                await asked("what the disk of the images holds") { try await machine.fileSystem(at: place) }
                .value ?? nil
        }
        let ofPods = Dictionary(grouping: sandboxes.value ?? []) {
            KubeletIdentity(labels: $0.attributes?.labels ?? [:])?.podUID ?? $0.attributes?.metadata?.uid ?? ""
        }
        let ofContainers = Dictionary(grouping: containers.value ?? []) {
            KubeletIdentity(labels: $0.attributes?.labels ?? [:])?.podUID ?? ""
        }
        let inVolumes = await volumeAnswers
        var pods: [PodUsage] = []
        for pod in running {
            let uid = pod.metadata.uid
            let newest = ofPods[uid]?.max {
                ($0.attributes?.metadata?.attempt ?? 0) < ($1.attributes?.metadata?.attempt ?? 0)
            }
            var usage = PodUsage(pod, sandbox: newest, containers: ofContainers[uid] ?? [])
            usage.volumes = inVolumes[uid] ?? []
            pods.append(usage)
        }
        await rates.complete(&pods)
        sample.pods = pods
        if let usage = sample.node, let total = usage.processorNanoseconds {
            sample.nodeNanoCores = await rates.rate("", total: total, time: usage.time.nanosecondsSince1970)
        }
        return sample
    }

    private func volumes(of pods: [Pod]) async -> [String: [VolumeUse]] {
        await withTaskGroup(of: (String, [VolumeUse]).self) { group in
            for pod in pods {
                let uid = pod.metadata.uid
                group.addTask {
                    let answer = await asked("what the volumes of a pod take") { try await volumes(uid) }
                    return (uid, answer.value ?? [])
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private enum Answer<Value: Sendable>: Sendable {
        case told(Value)
        /// Nobody there can ever tell.
        case untold
        case missing

        var value: Value? { if case .told(let value) = self { value } else { nil } }
        var isMissing: Bool { if case .missing = self { true } else { false } }
    }

    private func asked<Value: Sendable>(_ what: String, _ work: @escaping @Sendable () async throws -> Value) async
        -> Answer<Value>
    {
        do {
            return .told(try await withDeadline(deadline, "nobody said within \(deadline) \(what)", work))
        } catch let error as AdapterError where error.code == .unimplemented {
            return .untold
        } catch {
            logger.warning("statistics are incomplete: cannot learn \(what): \(error)")
            return .missing
        }
    }
}

/// What processors do now, where only what they did in all is known.
actor ProcessorRates {
    private struct Reading {
        var total: UInt64
        var time: Int64
        var rate: UInt64?
    }
    private var readings: [String: Reading] = [:]
    /// Two looks closer together say nothing: the rate before them stays.
    private static let least: Int64 = 100_000_000

    /// Nanoseconds of work per second, or `nil` at the first look.
    /// - Parameters:
    ///   - total: nanoseconds of work so far.
    ///   - time: of the reading, in nanoseconds.
    func rate(_ key: String, total: UInt64, time: Int64) -> UInt64? {
        guard let last = readings[key], total >= last.total, time >= last.time else {
            readings[key] = Reading(total: total, time: time)
            return nil
        }
        guard time - last.time >= Self.least else { return last.rate }
        let rate = UInt64(Double(total - last.total) / Double(time - last.time) * 1e9)
        readings[key] = Reading(total: total, time: time, rate: rate)
        return rate
    }

    /// Adds the rates a runtime did not tell, and forgets what is gone.
    func complete(_ pods: inout [PodUsage]) {
        var seen: Set<String> = [""]
        func rated(_ cpu: CRI.CpuUsage?, _ key: String) -> CRI.CpuUsage? {
            seen.insert(key)
            guard var cpu, let total = cpu.usageCoreNanoSeconds?.value else { return cpu }
            guard cpu.usageNanoCores == nil || cpu.usageNanoCores?.value == 0 else { return cpu }
            if let rate = rate(key, total: total, time: cpu.timestamp) {
                cpu.usageNanoCores = .init { $0.value = rate }
            }
            return cpu
        }
        for index in pods.indices {
            pods[index].cpu = rated(pods[index].cpu, pods[index].uid)
            for run in pods[index].containers.indices {
                let container = pods[index].containers[run]
                pods[index].containers[run].cpu = rated(container.cpu, container.id)
            }
        }
        readings = readings.filter { seen.contains($0.key) }
    }
}
