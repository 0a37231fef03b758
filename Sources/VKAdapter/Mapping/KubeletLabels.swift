import Proto

/// The labels and annotations a kubelet writes on sandboxes and containers, and reads back from the runtime: after a
/// restart they are all that is known.
enum KubeletLabel {
    static let podName = "io.kubernetes.pod.name"
    static let podNamespace = "io.kubernetes.pod.namespace"
    static let podUID = "io.kubernetes.pod.uid"
    static let containerName = "io.kubernetes.container.name"
}

/// Annotations of containers.
enum KubeletAnnotation {
    static let containerHash = "io.kubernetes.container.hash"
    static let restartCount = "io.kubernetes.container.restartCount"
    static let terminationMessagePath = "io.kubernetes.container.terminationMessagePath"
    static let terminationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy"
    static let preStopHandler = "io.kubernetes.container.preStopHandler"
    static let ports = "io.kubernetes.container.ports"
    static let memoryRequest = "vzcri.dev/memory-request"
    static let podDeletionGracePeriod = "io.kubernetes.pod.deletionGracePeriod"
    static let podTerminationGracePeriod = "io.kubernetes.pod.terminationGracePeriod"
}

/// Which pod, and which container of it, an object of the runtime belongs to.
struct KubeletIdentity: Sendable, Hashable {
    var podName: String
    var podNamespace: String
    var podUID: String
    /// Empty for a sandbox.
    var containerName: String

    /// - Returns: `nil` when the labels are not a kubelet's.
    init?(labels: [String: String]) {
        guard let name = labels[KubeletLabel.podName], let namespace = labels[KubeletLabel.podNamespace],
            let uid = labels[KubeletLabel.podUID], !uid.isEmpty
        else { return nil }
        podName = name
        podNamespace = namespace
        podUID = uid
        containerName = labels[KubeletLabel.containerName] ?? ""
    }
}

extension CRI.ContainerStatus {
    /// The name of the container in the pod.
    var containerName: String { labels[KubeletLabel.containerName] ?? metadata?.name ?? "" }

    /// How often the container had been started before this one.
    var restartCount: Int32 {
        annotations[KubeletAnnotation.restartCount].flatMap { Int32($0) } ?? Int32(clamping: metadata?.attempt ?? 0)
    }
}
