import KubeAPI

/// Something that happened to an object of this node, before anybody has counted how often.
struct Occurrence: Sendable, Hashable {
    var object: ObjectReference
    var type: PodEventType
    /// The kubelet's word for it.
    var reason: String
    var message: String
}

extension ObjectReference {
    /// - Parameter container: the part of the pod it is about; `nil` for the pod as a whole.
    init(_ pod: Pod, container: String? = nil) {
        self.init()
        kind = "Pod"
        apiVersion = "v1"
        namespace = pod.metadata.namespace
        name = pod.metadata.name
        uid = pod.metadata.uid
        resourceVersion = pod.metadata.resourceVersion
        guard let container else { return }
        let list = pod.spec.initContainers.contains { $0.name == container } ? "initContainers" : "containers"
        fieldPath = "spec.\(list){\(container)}"
    }

    /// The kubelet's events of a node carry its name as UID, and that is how they are found.
    init(node: String) {
        self.init()
        kind = "Node"
        name = node
        uid = node
    }
}
