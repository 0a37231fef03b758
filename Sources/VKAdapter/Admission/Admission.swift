import KubeAPI

/// Whether a pod may run on this node, with the kubelet's reasons. The scheduler has asked most of it before; pods that
/// were bound by hand, two schedulers, and a node that changed make it worth asking again.
struct Admission: Sendable {
    var nodeName: String
    /// Those the node gives itself: what counts until the cluster's ones are heard.
    var labels: [String: String] = [:]
    /// `linux` or `darwin`.
    var os: String
    /// What pods may take together; `pods` is how many there may be. What is not named is not counted.
    var allocatable: [String: Quantity] = [:]

    /// What pods may take as it is now; instead of ``allocatable``.
    var resources: NodeResources?
    var situation: NodeSituation?
    var sysctls = Sysctls()
    /// Whether this host enforces AppArmor profiles; `nil` where containers run on another one.
    var hasAppArmor: Bool?

    enum Decision: Sendable, Hashable {
        case take
        case refuse(WaitingReason)
        /// The node cannot do without the pod: these have to go for it, by UID.
        case takeInsteadOf([String])
    }

    /// - Parameter others: the pods that run here or are about to.
    func decision(on pod: Pod, beside others: [Pod]) -> Decision {
        let shortages = shortages(for: pod, beside: others)
        guard pod.isCritical, !shortages.isEmpty else {
            return refusal(of: pod, beside: others).map { .refuse($0) } ?? .take
        }
        if let refusal = circumstance(against: pod) ?? mismatch(pod, others) { return .refuse(refusal) }
        do {
            let victims = try Preemption.victims(for: pod, among: others, lacking: shortages)
            return .takeInsteadOf(victims.map(\.metadata.uid))
        } catch {
            return .refuse(
                WaitingReason(
                    "UnexpectedAdmissionError",
                    "Unexpected error while attempting to recover from admission failure: preemption: error finding a "
                        + "set of pods to preempt: \(error.description)"))
        }
    }

    /// Why the pod may not run here, as a kubelet asks one after the other; `nil` when it may.
    /// - Parameter others: the pods that run here or are about to.
    func refusal(of pod: Pod, beside others: [Pod]) -> WaitingReason? {
        circumstance(against: pod) ?? shortage(for: pod, beside: others) ?? mismatch(pod, others)
    }

    /// What is wrong now, or with pods like this.
    private func circumstance(against pod: Pod) -> WaitingReason? {
        if situation?.isEnding == true {
            return WaitingReason("NodeShutdown", "Pod was rejected as the node is shutting down.")
        }
        if let pressure = situation?.pressure, !tolerates(pressure, pod) {
            return WaitingReason(
                "Evicted", "The node had condition: [\(pressure.conditions.joined(separator: " "))]. ")
        }
        if let refusal = sysctls.refusal(of: pod) { return refusal }
        if let wanted = pod.metadata.labels["kubernetes.io/os"], !runs(os: wanted) {
            return WaitingReason(
                "PodOSSelectorNodeLabelDoesNotMatch",
                "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label")
        }
        if !runs(os: pod.spec.os?.name ?? "") {
            return WaitingReason("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
        }
        if pod.spec.securityContext?.supplementalGroupsPolicy == "Strict", situation?.keepsStrictGroups == false {
            return WaitingReason(
                "SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node")
        }
        if hasAppArmor == false, pod.wantsAppArmor {
            return WaitingReason("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
        }
        return nil
    }

    /// Why it is another node's.
    private func mismatch(_ pod: Pod, _ others: [Pod]) -> WaitingReason? {
        let own = situation?.own
        guard NodeSelection.matches(pod.spec, labels: own?.labels ?? labels, name: nodeName) else {
            return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
        }
        guard pod.spec.nodeName.isEmpty || pod.spec.nodeName == nodeName else {
            return predicate("NodeName", "node(s) didn't match the requested node name")
        }
        let taken = others.flatMap(Self.hostPorts)
        if Self.hostPorts(pod).contains(where: { port in taken.contains { $0.collides(with: port) } }) {
            return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
        }
        let repels = (own?.taints ?? []).contains { $0.effect == "NoExecute" && !pod.spec.tolerates($0) }
        if repels, !pod.isStatic {
            return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
        }
        return nil
    }

    private func predicate(_ name: String, _ why: String) -> WaitingReason {
        WaitingReason(name, "Predicate \(name) failed: \(why)")
    }

    /// Short of memory alone the node takes whoever has asked for some of it, or says that it does not mind.
    private func tolerates(_ pressure: NodePressure, _ pod: Pod) -> Bool {
        if pressure.conditions.isEmpty || pod.isCritical { return true }
        guard pressure.conditions == ["MemoryPressure"] else { return false }
        return PodMapping.qosClass(pod) != "BestEffort"
            || pod.spec.tolerates(Taint(key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule"))
    }

    /// Containers are Linux's on a Mac as well: Docker runs them in a virtual machine.
    private func runs(os wanted: String) -> Bool {
        wanted.isEmpty || wanted == os || (os == "darwin" && wanted == "linux")
    }

    /// One thing there is too little of: processors in thousandths, the rest in whole units.
    struct Shortage: Sendable, Hashable {
        var resource: String
        var requested: Int64
        var used: Int64
        var capacity: Int64

        var reason: WaitingReason {
            WaitingReason(
                "OutOf\(resource)",
                "Node didn't have enough resource: \(resource), requested: \(requested), used: \(used), capacity: "
                    + "\(capacity)")
        }
        /// How much others would have to give.
        var missing: Int64 { Admission.added(requested, used) - capacity }
    }

    /// What there is too little of; the first of it.
    func shortage(for pod: Pod, beside others: [Pod]) -> WaitingReason? {
        shortages(for: pod, beside: others).first?.reason
    }

    func shortages(for pod: Pod, beside others: [Pod]) -> [Shortage] {
        let allocatable = resources?.allocatable ?? allocatable
        var list: [Shortage] = []
        if let pods = allocatable["pods"]?.value, Int64(others.count) + 1 > pods {
            list.append(Shortage(resource: "pods", requested: 1, used: Int64(others.count), capacity: pods))
        }
        for name in Self.order(allocatable.keys) where name != "pods" {
            guard let amount = allocatable[name] else { continue }
            let requested = Self.request(pod, name)
            guard requested > 0 else { continue }
            let used = others.reduce(Int64(0)) { Self.added($0, Self.request($1, name)) }
            guard Self.added(requested, used) > amount.milliValue else { continue }
            let unit = Self.unit(name)
            list.append(
                Shortage(
                    resource: name, requested: requested / unit, used: used / unit, capacity: amount.milliValue / unit))
        }
        return list
    }

    /// What of a resource is one in the words for it, in thousandths.
    static func unit(_ name: String) -> Int64 { name == "cpu" ? 1 : 1000 }

    /// In which order resources are asked about, as the first that lacks is the reason.
    private static func order(_ names: some Sequence<String>) -> [String] {
        let first = ["cpu", "memory", NodeResources.disk]
        return first + names.filter { !first.contains($0) }.sorted()
    }

    /// Whether the pod would not fit even if it were alone.
    func isTooLarge(_ pod: Pod) -> Bool { shortage(for: pod, beside: []) != nil }

    /// What a pod asks for, in thousandths: the sum of its containers and side-cars, or what the hungriest init container
    /// needs beside the side-cars before it, or what is asked for the pod as a whole; and the overhead of its runtime class.
    static func request(_ pod: Pod, _ name: String) -> Int64 {
        func milli(_ container: Container) -> Int64 {
            max(0, (container.resources.requests[name] ?? container.resources.limits[name])?.milliValue ?? 0)
        }
        let overhead = max(0, pod.spec.overhead[name]?.milliValue ?? 0)
        if let whole = pod.spec.whole(name) { return added(max(0, whole.milliValue), overhead) }
        var sidecars: Int64 = 0
        var most: Int64 = 0
        for container in pod.spec.initContainers {
            if container.isSidecar { sidecars = added(sidecars, milli(container)) }
            most = max(most, container.isSidecar ? sidecars : added(sidecars, milli(container)))
        }
        let regular = pod.spec.containers.reduce(sidecars) { added($0, milli($1)) }
        return added(max(most, regular), overhead)
    }

    static func added(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }

    private struct HostPort {
        var ip: String
        var number: Int32
        var `protocol`: String

        func collides(with other: HostPort) -> Bool {
            number == other.number && `protocol` == other.protocol && (ip == other.ip || ip.isEmpty || other.ip.isEmpty)
        }
    }

    private static func hostPorts(_ pod: Pod) -> [HostPort] {
        (pod.spec.containers + pod.spec.initContainers.filter(\.isSidecar)).flatMap(\.ports).filter { $0.hostPort > 0 }
            .map { port in
                let isAny = port.hostIP.isEmpty || port.hostIP == "0.0.0.0" || port.hostIP == "::"
                return HostPort(
                    ip: isAny ? "" : port.hostIP, number: port.hostPort,
                    protocol: port.protocol.isEmpty ? "TCP" : port.protocol)
            }
    }
}
