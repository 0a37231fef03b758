import HostFiles

/// Where the files of pods are: on this host, or on the host of the runtime behind its host service. It writes what it is
/// given; what is in a volume is decided elsewhere.
protocol VolumeHost: Sendable {
    /// Whether a volume can be given to a group: only root can, and on a Mac everything is its user's.
    var keepsGroups: Bool { get }

    /// Makes a volume what `content` says, all at once: a reader sees the old content or the new. Safe to repeat, and
    /// cheap where nothing changed.
    /// - Returns: where it is on the host.
    func sync(pod uid: String, volume name: String, _ content: VolumeContent) async throws(AdapterError) -> String

    /// Where a container's mount is on the host, checked, and made where the source says so.
    /// - Parameters:
    ///   - subPath: within the source; empty for the whole.
    ///   - readOnly: whether the container only reads it.
    func mount(_ source: MountSource, subPath: String, readOnly: Bool, pod uid: String) async throws(AdapterError)
        -> String

    /// What each of the pod's volumes takes. Host paths are not among them.
    func usage(pod uid: String) async throws(AdapterError) -> [VolumeUse]

    /// Makes the files one run of a container has mounted beside its volumes.
    /// - Parameter hosts: the text of `/etc/hosts`; `nil` when the runtime's own is right.
    func containerFiles(pod uid: String, container: String, attempt: UInt32, hosts: String?) async throws(AdapterError)
        -> ContainerFiles

    /// What a container wrote to its termination message file, at most 4096 bytes; `nil` when it wrote nothing.
    func terminationMessage(podUID: String, container: String, attempt: UInt32) async throws(AdapterError) -> String?

    /// Removes everything kept for a pod. Host paths it mounted stay.
    func removePod(uid: String) async throws(AdapterError)

    /// The UIDs of all pods something is kept for.
    func podsWithData() async throws(AdapterError) -> [String]
}
