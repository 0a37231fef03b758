import KubeAPI

/// Puts together what the API server and the directory of manifests want to run here. Pods of files run before the API
/// server has said anything; nothing ends before both have spoken.
actor WantedSources {
    private let manager: PodManager
    private var cluster: WantedPods?
    private var files: WantedPods?

    /// - Parameter hasFiles: whether there is a directory of manifests.
    init(manager: PodManager, hasFiles: Bool) {
        self.manager = manager
        if !hasFiles { files = WantedPods() }
    }

    func take(cluster pods: WantedPods) {
        cluster = pods
        tell()
    }

    func take(files pods: WantedPods) {
        files = pods
        tell()
    }

    private func tell() {
        var all = files ?? WantedPods()
        let names = Set(all.pods.map(\.fullName))
        // A name is the file's: the API server would never have let both in.
        all.pods += cluster?.pods.filter { !names.contains($0.fullName) } ?? []
        all.unreadableUIDs.formUnion(cluster?.unreadableUIDs ?? [])
        all.isPartial = cluster == nil || files == nil
        manager.tell(.wanted(all))
    }
}
