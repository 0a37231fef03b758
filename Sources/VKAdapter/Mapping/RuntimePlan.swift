import KubeAPI

/// What a pod's containers are, by their images, and what its sandbox must be for it: settled once, when the sandbox is
/// made, and kept in the sandbox's annotations.
struct RuntimePlan: Sendable, Hashable {
    /// The annotations of a sandbox that carry the plan.
    enum Annotation {
        /// `container`, `vm` or `hybrid`; absent where the runtime does not tell images apart.
        static let kind = "vzcri.dev/pod-kind"
        /// How many machines of the pod run at once: the runtime reserves a slot for each, or none.
        static let slots = "vzcri.dev/vm-slots"
    }

    enum Kind: String, Sendable {
        case container
        case vm
        case hybrid
    }

    /// What an image is run by.
    enum ImageRuntime: Sendable, Hashable {
        case container
        case vm
    }

    /// The CRI runtime handler.
    var handler: String
    /// `nil` where the runtime does not tell images apart.
    var kind: Kind?
    /// Machines of the pod that run at once.
    var slots = 0

    /// - Parameter images: what each of the pod's images is; `nil` where the runtime does not say.
    init(_ pod: Pod, images: [String: ImageRuntime]?, _ context: MappingContext) {
        handler = PodMapping.runtimeHandler(pod, context)
        guard let images else { return }
        func isMachine(_ container: Container) -> Bool { images[container.image] == .vm }
        let all = pod.spec.initContainers + pod.spec.containers
        let machines = all.count(where: isMachine)
        kind = machines == 0 ? .container : machines == all.count ? .vm : .hybrid
        slots = Self.slots(pod, isMachine)
        if handler.isEmpty { handler = machines == 0 ? "docker" : "vm" }
    }

    /// An init container runs beside the side-cars that were started before it, and the regular ones beside all of them.
    private static func slots(_ pod: Pod, _ isMachine: (Container) -> Bool) -> Int {
        var sidecars = 0
        var most = 0
        for container in pod.spec.initContainers where isMachine(container) {
            most = max(most, sidecars + 1)
            if container.isSidecar { sidecars += 1 }
        }
        return max(most, sidecars + pod.spec.containers.count(where: isMachine))
    }

    /// What the sandbox's config carries of it.
    var annotations: [String: String] {
        var annotations: [String: String] = [:]
        if let kind { annotations[Annotation.kind] = kind.rawValue }
        if slots > 0 { annotations[Annotation.slots] = String(slots) }
        return annotations
    }

    /// The part of a sandbox's annotations that is its plan.
    static func annotations(in annotations: [String: String]) -> [String: String] {
        annotations.filter { $0.key == Annotation.kind || $0.key == Annotation.slots }
    }

    /// Whether the sandbox with these annotations holds machines and containers.
    static func isHybrid(_ annotations: [String: String]) -> Bool {
        annotations[Annotation.kind] == Kind.hybrid.rawValue
    }
}
