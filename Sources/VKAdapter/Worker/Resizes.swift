import KubeAPI

/// The resources of a pod's containers: what is asked for, what the node has set aside, and what they run with. A value;
/// the worker keeps one.
struct Resizes: Sendable, Hashable {
    /// What the node has set aside, by container name.
    private(set) var allocated: [String: ResourceRequirements]
    /// What the containers run with.
    private(set) var actual: [String: ResourceRequirements]
    /// Why what is asked for is not given.
    private(set) var pending: WaitingReason?
    /// What went wrong while it was given.
    private(set) var trouble: String?
    /// What the runtime refused; it is not asked for that again.
    private var refused: [String: ResourceRequirements] = [:]

    /// - Parameter known: what was said of the pod before.
    init(_ pod: Pod, known: PodStatus? = nil) {
        allocated = [:]
        actual = [:]
        let statuses = (known?.initContainerStatuses ?? []) + (known?.containerStatuses ?? [])
        for container in pod.spec.initContainers + pod.spec.containers {
            let before = statuses.first { $0.name == container.name }?.resources
            allocated[container.name] = before ?? container.resources
            actual[container.name] = before ?? container.resources
        }
    }

    /// The pod as the node has admitted it.
    func granted(_ pod: Pod) -> Pod {
        var pod = pod
        for index in pod.spec.containers.indices { grant(&pod.spec.containers[index]) }
        for index in pod.spec.initContainers.indices { grant(&pod.spec.initContainers[index]) }
        return pod
    }

    private func grant(_ container: inout Container) {
        if let given = allocated[container.name] { container.resources = given }
    }

    /// Grants what the pod asks for, where that fits.
    /// - Parameters:
    ///   - admission: the node; `nil` grants everything.
    ///   - others: the pods beside it.
    mutating func consider(_ pod: Pod, _ admission: Admission?, beside others: @autoclosure () -> [Pod]) {
        pending = nil
        var wanted: [String: ResourceRequirements] = [:]
        for container in pod.spec.initContainers + pod.spec.containers {
            guard let given = allocated[container.name] else {
                allocated[container.name] = container.resources
                actual[container.name] = container.resources
                continue
            }
            if given != container.resources { wanted[container.name] = container.resources }
        }
        guard !wanted.isEmpty else { return }
        if let known = wanted.first(where: { refused[$0.key] == $0.value }) {
            pending = WaitingReason(
                "Infeasible", "the runtime cannot change the resources of container \(known.key) while it runs")
            return
        }
        if let admission {
            var alone = pod
            alone.spec.overhead = pod.spec.overhead
            if let shortage = admission.shortage(for: alone, beside: []) {
                pending = WaitingReason("Infeasible", shortage.message)
                return
            }
            if let shortage = admission.shortage(for: pod, beside: others()) {
                pending = WaitingReason("Deferred", shortage.message)
                return
            }
        }
        allocated.merge(wanted) { $1 }
    }

    /// Whether a container runs with other resources than it was given, and if so, whether that takes a restart.
    func needsRestart(_ container: Container) -> Bool? {
        guard let given = allocated[container.name], let has = actual[container.name], given != has else { return nil }
        func differs(_ name: String) -> Bool {
            given.limits[name] != has.limits[name] || given.requests[name] != has.requests[name]
        }
        guard differs("cpu") || differs("memory") else { return nil }
        return container.resizePolicy.contains {
            $0.restartPolicy == "RestartContainer" && differs($0.resourceName)
        }
    }

    /// The container runs with these, which it was given.
    mutating func applied(_ name: String, _ resources: ResourceRequirements) {
        actual[name] = resources
        trouble = nil
    }

    /// It could not be given now.
    mutating func failed(_ why: String) { trouble = why }

    /// The runtime cannot give it at all: the container keeps what it has.
    mutating func refuse(_ name: String, _ resources: ResourceRequirements) {
        refused[name] = resources
        allocated[name] = actual[name]
        trouble = nil
    }
}
