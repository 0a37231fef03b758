import KubeAPI

extension EventRecorder: PodEvents {
    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String, container: String?) {
        record(
            Occurrence(
                object: ObjectReference(pod, container: container), type: type, reason: reason, message: message))
    }

    func recordNode(_ type: PodEventType, reason: String, message: String) {
        record(ObjectReference(node: host), type, reason, message)
    }
}
