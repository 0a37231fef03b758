import KubeAPI

/// What people read of a pod's life, in the kubelet's words.
extension PodWorker {
    func tell(_ type: PodEventType, _ reason: String, _ message: String, container: String? = nil) {
        context.events.record(pod, type, reason: reason, message: message, container: container)
    }

    /// What the kubelet says of a pod's names with every sync that starts something. Without a cluster nobody misses its
    /// name servers.
    func tellNames() {
        let names = PodDNS(pod, context.mapping)
        let hasCluster = context.objects != nil
        if names.isMissingCluster, hasCluster {
            context.events.recordNode(.warning, reason: "MissingClusterDNS", message: PodDNS.missingCluster)
        }
        for remark in names.remarks where hasCluster || remark.reason != "MissingClusterDNS" {
            tell(.warning, remark.reason, remark.message)
        }
    }

    /// What a step failed of.
    func tellFailure(_ action: Action, _ error: any Error) {
        switch action {
        case .createSandbox:
            tell(.warning, "FailedCreatePodSandBox", "Failed to create pod sandbox: \(error)")
        case .startContainer(let name, _, _), .startCreated(_, let name), .pullImage(let name):
            let failure = error as? StartFailure ?? StartFailure(.runContainerError("\(error)"), error)
            let reason = failure.reason
            switch reason.reason {
            case "ErrImagePull":
                let image = failure.pull?.image ?? ""
                tell(.warning, "Failed", "Failed to pull image \"\(image)\": \(reason.message)", container: name)
                tell(.warning, "Failed", "Error: \(reason.reason)", container: name)
            case "ErrImageNeverPull":
                tell(.warning, reason.reason, reason.message, container: name)
                tell(.warning, "Failed", "Error: \(reason.reason)", container: name)
            case "InvalidImageName", "ImageInspectError":
                tell(.warning, "InspectFailed", reason.message, container: name)
                tell(.warning, "Failed", "Error: \(reason.reason)", container: name)
            default: tell(.warning, "Failed", "Error: \(reason.message)", container: name)
            }
        case .stopContainer(_, let name, _, _):
            tell(.warning, "FailedKillPod", "error killing container \(name): \(error)", container: name)
        case .stopSandbox, .removeSandbox: tell(.warning, "FailedKillPod", "error killing pod: \(error)")
        case .removeContainer, .removeData, .resize, .wait: break
        }
    }

    /// What is waited for, once for each time it begins.
    func tell(waits: [String: WaitingReason]) {
        for (name, wait) in waits where toldWaits[name] != wait {
            switch wait.reason {
            case "CrashLoopBackOff":
                let whose = "\(name) in pod \(pod.metadata.name)_\(pod.metadata.namespace)(\(pod.metadata.uid))"
                tell(.warning, "BackOff", "Back-off restarting failed container \(whose)", container: name)
            case "ImagePullBackOff":
                tell(.normal, "BackOff", wait.message, container: name)
                tell(.warning, "Failed", "Error: ImagePullBackOff", container: name)
            default: break
            }
        }
        toldWaits = waits
    }
}
