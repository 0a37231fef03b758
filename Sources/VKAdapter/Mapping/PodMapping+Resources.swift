import KubeAPI
import Proto

extension PodMapping {
    /// The quality of service class of a pod, from its containers' cpu and memory.
    static func qosClass(_ pod: Pod) -> String {
        let names = ["cpu", "memory"]
        let isWhole = names.contains { pod.spec.whole($0).map { $0.milliValue > 0 } ?? false }
        let asking =
            isWhole
            ? [pod.spec.resources].compactMap(\.self) : (pod.spec.initContainers + pod.spec.containers).map(\.resources)
        func positive(_ list: [String: Quantity], _ name: String) -> Quantity? {
            list[name].flatMap { $0.milliValue > 0 ? $0 : nil }
        }
        let anything = asking.contains { resources in
            names.contains { positive(resources.requests, $0) != nil || positive(resources.limits, $0) != nil }
        }
        if !anything { return "BestEffort" }
        let guaranteed = asking.allSatisfy { resources in
            names.allSatisfy { name in
                guard let limit = positive(resources.limits, name) else { return false }
                return (positive(resources.requests, name) ?? limit) == limit
            }
        }
        return guaranteed ? "Guaranteed" : "Burstable"
    }

    static func containerResources(_ pod: Pod, _ container: Container, _ context: MappingContext)
        -> CRI.LinuxContainerResources
    {
        var resources = resources(
            cpuRequest: container.resources.requests["cpu"], cpuLimit: limit(pod, container, "cpu"),
            memoryLimit: limit(pod, container, "memory"))
        resources.oomScoreAdj = oomScore(pod, container, context)
        return resources
    }

    /// A container without a limit of its own may use what the pod may.
    private static func limit(_ pod: Pod, _ container: Container, _ name: String) -> Quantity? {
        container.resources.limits[name] ?? pod.spec.resources?.limits[name]
    }

    /// Shares, quota and memory limit as the kubelet computes them. A limit without a request is the request too.
    static func resources(cpuRequest: Quantity?, cpuLimit: Quantity?, memoryLimit: Quantity?)
        -> CRI.LinuxContainerResources
    {
        CRI.LinuxContainerResources {
            let request = cpuRequest ?? cpuLimit
            $0.cpuShares = shares(milliCPU: request?.milliValue ?? 0)
            if let limit = cpuLimit, limit.milliValue > 0 {
                $0.cpuPeriod = 100_000
                $0.cpuQuota = max(1000, multiplied(limit.milliValue, 100))
            }
            if let limit = memoryLimit, limit.value > 0 { $0.memoryLimitInBytes = limit.value }
        }
    }

    static func shares(milliCPU: Int64) -> Int64 {
        milliCPU <= 0 ? 2 : min(max(multiplied(milliCPU, 1024) / 1000, 2), 262_144)
    }

    private static func multiplied(_ value: Int64, _ factor: Int64) -> Int64 {
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }

    /// Who dies first when memory is short: best effort, then burstable by how little was asked for.
    private static func oomScore(_ pod: Pod, _ container: Container, _ context: MappingContext) -> Int64 {
        if pod.spec.priorityClassName == "system-node-critical" { return -997 }
        switch qosClass(pod) {
        case "Guaranteed": return -997
        case "BestEffort": return 1000
        default:
            guard let capacity = context.memoryCapacity, capacity > 0 else { return 999 }
            var request = container.resources.requests["memory"]?.value ?? 0
            if let whole = pod.spec.resources?.requests["memory"]?.value {
                // What the pod asks for beyond its containers is shared by them evenly.
                let all = pod.spec.initContainers.filter(\.isSidecar) + pod.spec.containers
                let asked = all.reduce(Int64(0)) { added($0, $1.resources.requests["memory"]?.value ?? 0) }
                request = added(request, max(0, whole - asked) / Int64(max(1, all.count)))
            }
            let score = 1000 - multiplied(request, 1000) / capacity
            return min(max(score, 3), 999)
        }
    }

    /// What all containers of the pod may use together: their sum, or what the hungriest init container needs.
    static func podResources(_ pod: Pod) -> CRI.LinuxContainerResources {
        resources(
            cpuRequest: total(pod, "cpu", \.requests, allNeeded: false),
            cpuLimit: total(pod, "cpu", \.limits, allNeeded: true),
            memoryLimit: total(pod, "memory", \.limits, allNeeded: true))
    }

    static func overhead(_ pod: Pod) -> CRI.LinuxContainerResources {
        resources(
            cpuRequest: pod.spec.overhead["cpu"], cpuLimit: pod.spec.overhead["cpu"],
            memoryLimit: pod.spec.overhead["memory"])
    }

    /// - Parameter allNeeded: a container without the amount makes the sum unlimited.
    private static func total(
        _ pod: Pod, _ name: String, _ list: KeyPath<ResourceRequirements, [String: Quantity]>, allNeeded: Bool
    ) -> Quantity? {
        if let whole = pod.spec.resources?[keyPath: list][name] { return whole.milliValue > 0 ? whole : nil }
        func milli(_ container: Container) -> Int64? { container.resources[keyPath: list][name]?.milliValue }
        let sidecars = pod.spec.initContainers.filter(\.isSidecar)
        if allNeeded, (pod.spec.containers + sidecars).contains(where: { milli($0) == nil }) { return nil }
        var sum = (pod.spec.containers + sidecars).reduce(Int64(0)) { added($0, milli($1) ?? 0) }
        var sidecarsSoFar: Int64 = 0
        for container in pod.spec.initContainers {
            if container.isSidecar {
                sidecarsSoFar = added(sidecarsSoFar, milli(container) ?? 0)
            } else {
                guard let amount = milli(container) else {
                    if allNeeded { return nil }
                    continue
                }
                sum = max(sum, added(sidecarsSoFar, amount))
            }
        }
        return sum > 0 ? Quantity("\(sum)m") : nil
    }

    private static func added(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

extension PodSpec {
    /// What is asked for the pod as a whole; `nil` where its containers ask for themselves.
    func whole(_ name: String) -> Quantity? { resources?.requests[name] ?? resources?.limits[name] }
}
