import HostFiles
import KubeAPI
import Proto

/// One look at what the node, its pods and their containers use.
struct StatsSample: Sendable {
    var nodeName: String
    var node: NodeUsage?
    /// By namespace and name.
    var pods: [PodUsage] = []
    var imageFileSystem: CRI.FilesystemUsage?
    var containerFileSystem: CRI.FilesystemUsage?
    /// The file system the images are on, where it can be looked at.
    var imageVolume: FileSystemUsage?
    /// What the processors do now, from two looks at a total.
    var nodeNanoCores: UInt64?
    /// The runtime or the machine did not say everything.
    var isPartial = false
}

struct PodUsage: Sendable {
    var name: String
    var namespace: String
    var uid: String
    var sandboxID = ""
    var started: Timestamp?
    var cpu: CRI.CpuUsage?
    var memory: CRI.MemoryUsage?
    var swap: CRI.SwapUsage?
    var network: CRI.NetworkUsage?
    var processes: UInt64?
    /// In the order of the specification.
    var containers: [ContainerUsage] = []
    var volumes: [VolumeUse] = []
}

struct ContainerUsage: Sendable {
    var name: String
    var id: String
    var image = ""
    var started: Timestamp?
    var cpu: CRI.CpuUsage?
    var memory: CRI.MemoryUsage?
    var swap: CRI.SwapUsage?
    var writableLayer: CRI.FilesystemUsage?
}

extension PodUsage {
    /// What the runtime says of a pod that is known here, put together.
    /// - Parameters:
    ///   - sandbox: of the sandbox the pod runs in.
    ///   - containers: of all runs of its containers.
    init(_ pod: Pod, sandbox: CRI.PodSandboxStats?, containers: [CRI.ContainerStats]) {
        name = pod.metadata.name
        namespace = pod.metadata.namespace
        uid = pod.metadata.uid
        started = pod.status.startTime ?? pod.metadata.creationTimestamp
        sandboxID = sandbox?.attributes?.id ?? ""
        let measured = containers.isEmpty ? sandbox?.linux?.containers ?? [] : containers
        let statuses = pod.status.initContainerStatuses + pod.status.containerStatuses
        self.containers = statuses.compactMap { status in
            guard let running = status.state.running else { return nil }
            let id = status.containerID.split(separator: "/").last.map(String.init) ?? ""
            guard let stats = measured.first(where: { $0.attributes?.id == id }) else { return nil }
            var usage = ContainerUsage(name: status.name, id: id, image: status.image, started: running.startedAt)
            usage.cpu = stats.cpu
            usage.memory = stats.memory
            usage.swap = stats.swap
            usage.writableLayer = stats.writableLayer
            return usage
        }
        network = sandbox?.linux?.network
        processes = sandbox?.linux?.process?.processCount?.value
        cpu = sandbox?.linux?.cpu ?? Self.sum(self.containers.compactMap(\.cpu))
        memory = sandbox?.linux?.memory ?? Self.sum(self.containers.compactMap(\.memory))
        let swaps = self.containers.compactMap(\.swap)
        if !swaps.isEmpty {
            swap = .init {
                $0.timestamp = swaps.map(\.timestamp).min() ?? 0
                $0.swapUsageBytes = known(swaps.map(\.swapUsageBytes))
            }
        }
    }

    private static func sum(_ parts: [CRI.CpuUsage]) -> CRI.CpuUsage? {
        guard !parts.isEmpty else { return nil }
        return .init {
            $0.timestamp = parts.map(\.timestamp).min() ?? 0
            $0.usageCoreNanoSeconds = known(parts.map(\.usageCoreNanoSeconds))
            $0.usageNanoCores = known(parts.map(\.usageNanoCores))
        }
    }

    private static func sum(_ parts: [CRI.MemoryUsage]) -> CRI.MemoryUsage? {
        guard !parts.isEmpty else { return nil }
        return .init {
            $0.timestamp = parts.map(\.timestamp).min() ?? 0
            $0.workingSetBytes = known(parts.map(\.workingSetBytes))
            $0.usageBytes = known(parts.map(\.usageBytes))
            $0.rssBytes = known(parts.map(\.rssBytes))
            $0.pageFaults = known(parts.map(\.pageFaults))
            $0.majorPageFaults = known(parts.map(\.majorPageFaults))
        }
    }
}

/// - Returns: `nil` when nobody knows his part.
private func known(_ parts: [CRI.UInt64Value?]) -> CRI.UInt64Value? {
    let values = parts.compactMap { $0?.value }
    guard !values.isEmpty else { return nil }
    return .init { $0.value = values.reduce(0) { $0 &+ $1 } }
}
