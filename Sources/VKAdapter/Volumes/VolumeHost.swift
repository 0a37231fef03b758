import KubeAPI

/// Where the files of pods are: on this host, or on the host of the runtime behind its host service.
protocol VolumeHost: Sendable {
    /// Makes or checks every volume of the pod, before its sandbox is created. Safe to repeat.
    /// - Throws: the text of the kubelet's `FailedMount` event.
    func prepare(_ pod: Pod) async throws(AdapterError)

    /// The host paths one run of a container mounts.
    /// - Parameters:
    ///   - subPaths: one per `volumeMounts`, as ``PodMapping/subPaths(_:_:podIPs:_:)`` gives them.
    ///   - hosts: the text of `/etc/hosts`; `nil` when the runtime's own is right.
    /// - Throws: what the kubelet reports as `CreateContainerConfigError`.
    func paths(_ pod: Pod, _ container: Container, attempt: UInt32, subPaths: [String], hosts: String?)
        async throws(AdapterError) -> ContainerPaths

    /// What a container wrote to its termination message file, at most 4096 bytes; `nil` when it wrote nothing.
    func terminationMessage(podUID: String, container: String, attempt: UInt32) async throws(AdapterError) -> String?

    /// Removes everything kept for a pod. Host paths it mounted stay.
    func removePod(uid: String) async throws(AdapterError)

    /// The UIDs of all pods something is kept for.
    func podsWithData() async throws(AdapterError) -> [String]
}
