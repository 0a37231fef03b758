import KubeAPI

/// Whom a pod that the node cannot do without takes the place of (kubelet `preemption`).
enum Preemption {
    struct NobodyLeft: Error, CustomStringConvertible {
        var description: String
    }

    static let reason = WaitingReason(
        "Preempting", "Preempted in order to admit critical pod",
        disruption: "Pod was preempted by Kubelet to accommodate a critical pod.")

    /// As few pods as possible that have what is missing: of those that may go, best effort before burstable before
    /// guaranteed ones.
    static func victims(for pod: Pod, among others: [Pod], lacking shortages: [Admission.Shortage])
        throws(NobodyLeft) -> [Pod]
    {
        let wanted = Needs(amounts: shortages.map { ($0.resource, $0.missing) })
        let open = others.filter { mayGo($0, for: pod) }
        let byClass = Dictionary(grouping: open, by: PodMapping.qosClass)
        let (best, burstable) = (byClass["BestEffort"] ?? [], byClass["Burstable"] ?? [])
        let guaranteed = byClass["Guaranteed"] ?? []
        try wanted.without(open).checkMet()
        let last = try nearest(guaranteed, wanted.without(best + burstable))
        let middle = try nearest(burstable, wanted.without(best + last))
        return try nearest(best, wanted.without(middle + last)) + middle + last
    }

    private static func mayGo(_ other: Pod, for pod: Pod) -> Bool {
        if other.metadata.deletionTimestamp != nil || other.isOver { return false }
        if pod.isCritical, !other.isCritical { return true }
        guard let mine = pod.spec.priority, let its = other.spec.priority else { return false }
        return mine > its
    }

    /// One after the other, whoever has most of what is still missing; of two that have the same the smaller one.
    private static func nearest(_ pods: [Pod], _ needs: Needs) throws(NobodyLeft) -> [Pod] {
        var (left, needs) = (pods, needs)
        var chosen: [Pod] = []
        while !needs.amounts.isEmpty {
            let next = left.enumerated().min { one, other in
                let (near, far) = (needs.distance(one.element), needs.distance(other.element))
                if near != far { return near < far }
                return size(one.element) < size(other.element)
            }
            guard let next else { throw needs.unmet }
            chosen.append(left.remove(at: next.offset))
            needs = needs.without([next.element])
        }
        return chosen
    }

    /// What somebody asked for, memory first.
    private static func size(_ pod: Pod) -> (Int64, Int64) {
        (Admission.request(pod, "memory"), Admission.request(pod, "cpu"))
    }

    /// What has to become free.
    private struct Needs {
        var amounts: [(resource: String, amount: Int64)]

        static func gives(_ pod: Pod, _ resource: String) -> Int64 {
            resource == "pods" ? 1 : Admission.request(pod, resource) / Admission.unit(resource)
        }

        func without(_ pods: [Pod]) -> Needs {
            Needs(
                amounts: amounts.compactMap { resource, amount in
                    let given = pods.reduce(Int64(0)) { Admission.added($0, Self.gives($1, resource)) }
                    return amount > given ? (resource, amount - given) : nil
                })
        }

        func distance(_ pod: Pod) -> Double {
            amounts.reduce(0) { sum, need in
                let rest = Double(need.amount) - Double(Self.gives(pod, need.resource))
                return rest > 0 ? sum + (rest / Double(need.amount)) * (rest / Double(need.amount)) : sum
            }
        }

        var unmet: NobodyLeft {
            let list = amounts.map { "(res: \($0.resource), q: \($0.amount)), " }.joined()
            return NobodyLeft(description: "no set of running pods found to reclaim resources: [\(list)]")
        }

        func checkMet() throws(NobodyLeft) {
            if !amounts.isEmpty { throw unmet }
        }
    }
}
