import Docker
import Proto

/// Cpu, memory and friends.
enum ResourceMapping {
    /// Sets what `resources` names. Unset (zero) fields are left alone.
    static func apply(
        _ resources: CRI.LinuxContainerResources, to host: inout HostConfig, what: String, context: MappingContext
    ) throws {
        try refuseUnsupported(resources, what: what)
        let limits = self.limits(resources)
        host.cpuShares = limits.cpuShares
        host.cpuPeriod = limits.cpuPeriod
        host.cpuQuota = limits.cpuQuota
        host.cpusetCpus = limits.cpusetCpus
        host.cpusetMems = limits.cpusetMems
        host.memory = limits.memory
        host.memorySwap = limits.memorySwap
        if resources.oomScoreAdj != 0 { host.oomScoreAdj = Int(context.oomScore(resources.oomScoreAdj)) }
    }

    /// What Docker's update takes; its own zero is "unchanged" as well.
    static func limits(_ resources: CRI.LinuxContainerResources) -> ContainerUpdate {
        var limits = ContainerUpdate()
        if resources.cpuShares != 0 { limits.cpuShares = resources.cpuShares }
        if resources.cpuPeriod != 0 { limits.cpuPeriod = resources.cpuPeriod }
        if resources.cpuQuota != 0 { limits.cpuQuota = max(-1, resources.cpuQuota) }
        if !resources.cpusetCpus.isEmpty { limits.cpusetCpus = resources.cpusetCpus }
        if !resources.cpusetMems.isEmpty { limits.cpusetMems = resources.cpusetMems }
        if resources.memoryLimitInBytes > 0 {
            limits.memory = resources.memoryLimitInBytes
            // Docker's own default would be as much swap again; a pod has none unless it was given some.
            limits.memorySwap =
                resources.memorySwapLimitInBytes != 0 ? resources.memorySwapLimitInBytes : resources.memoryLimitInBytes
        }
        return limits
    }

    static func refuseUnsupported(_ resources: CRI.LinuxContainerResources, what: String) throws {
        if let page = resources.hugepageLimits.first(where: { $0.limit > 0 }) {
            throw ShimError(
                .unsupported, "\(what) asks for \(page.pageSize) huge pages, which the docker handler cannot limit")
        }
        // The kubelet asks for this one on every cgroup v2 host; an engine kills the whole container there anyway.
        let unified = resources.unified.keys.filter { $0 != "memory.oom.group" }
        if let key = unified.sorted().first {
            throw ShimError(.unsupported, "\(what) sets the cgroup file \(key), which the docker handler cannot do")
        }
    }

    /// The other way: what a container has, as ContainerStatus shows it.
    static func resources(_ host: HostConfig) -> CRI.LinuxContainerResources {
        .init {
            $0.cpuShares = host.cpuShares ?? 0
            $0.cpuPeriod = host.cpuPeriod ?? 0
            $0.cpuQuota = host.cpuQuota ?? 0
            $0.cpusetCpus = host.cpusetCpus ?? ""
            $0.cpusetMems = host.cpusetMems ?? ""
            $0.memoryLimitInBytes = host.memory ?? 0
            $0.memorySwapLimitInBytes = host.memorySwap ?? 0
            $0.oomScoreAdj = Int64(host.oomScoreAdj ?? 0)
        }
    }
}
