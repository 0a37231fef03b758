import KubeAPI

/// Why a container is not running: what only the worker knows. Reasons and texts are the kubelet's.
struct WaitingReason: Sendable, Hashable {
    var reason: String
    var message: String
    /// Of a pod that ends for the node's sake: what its condition `DisruptionTarget` says; `nil` where it is its own doing.
    var disruption: String?

    init(_ reason: String, _ message: String = "", disruption: String? = nil) {
        self.reason = reason
        self.message = message
        self.disruption = disruption
    }

    static let containerCreating = WaitingReason("ContainerCreating")
    static let podInitializing = WaitingReason("PodInitializing")

    static func crashLoopBackOff(_ delay: Duration, container: String, pod: Pod) -> WaitingReason {
        WaitingReason(
            "CrashLoopBackOff",
            "back-off \(goText(delay)) restarting failed container=\(container) "
                + "pod=\(pod.metadata.name)_\(pod.metadata.namespace)(\(pod.metadata.uid))")
    }
    static func errImagePull(_ cause: String) -> WaitingReason { WaitingReason("ErrImagePull", cause) }
    static func imagePullBackOff(image: String, cause: String) -> WaitingReason {
        let detail = cause.isEmpty ? "" : ": ErrImagePull: \(cause)"
        return WaitingReason("ImagePullBackOff", "Back-off pulling image \"\(image)\"\(detail)")
    }
    static func errImageNeverPull(image: String) -> WaitingReason {
        WaitingReason("ErrImageNeverPull", "Container image \"\(image)\" is not present with pull policy of Never")
    }
    static func invalidImageName(image: String, cause: String) -> WaitingReason {
        WaitingReason("InvalidImageName", "Failed to apply default image tag \"\(image)\": \(cause)")
    }
    static func imageInspectError(image: String, cause: String) -> WaitingReason {
        WaitingReason("ImageInspectError", "Failed to inspect image \"\(image)\": \(cause)")
    }
    static func createContainerConfigError(_ cause: String) -> WaitingReason {
        WaitingReason("CreateContainerConfigError", cause)
    }
    static func createContainerError(_ cause: String) -> WaitingReason { WaitingReason("CreateContainerError", cause) }
    static func runContainerError(_ cause: String) -> WaitingReason { WaitingReason("RunContainerError", cause) }

    /// All of a pod's virtual machines run, or none: other pods have the places.
    static let noSlot = "WaitingForVMSlot"

    static func postStartHookError(_ cause: String) -> WaitingReason { WaitingReason("PostStartHookError", cause) }

    /// Whole seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`.
    static func goText(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        let minutes = seconds / 60
        if seconds < 60 { return "\(seconds)s" }
        if minutes < 60 { return "\(minutes)m\(seconds % 60)s" }
        return "\(minutes / 60)h\(minutes % 60)m\(seconds % 60)s"
    }
}
