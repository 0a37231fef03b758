import KubeAPI

/// Puts together what the API server and the directory of manifests want to run here. Pods of files run before the API
/// server has said anything; nothing ends before both have spoken. From then on a change of one pod is told as that: with
/// hundreds of them a set for every status that comes back would be most of the work.
actor WantedSources {
    private let manager: PodManager
    private let mirrors: MirrorPods
    private var cluster = ClusterPodSet()
    private var isListed = false
    private var files: WantedPods?
    /// Of the pods of files.
    private var names: Set<String> = []

    /// - Parameter hasFiles: whether there is a directory of manifests.
    init(manager: PodManager, mirrors: MirrorPods, hasFiles: Bool) {
        self.manager = manager
        self.mirrors = mirrors
        if !hasFiles { files = WantedPods() }
    }

    func take(cluster news: Reflector<Pod>.News) {
        switch cluster.take(news) {
        case .everything:
            isListed = true
            mirrors.seen(cluster.mirrors)
            tellAll()
        case .changed(let pod) where pod.isMirror, .removed(let pod) where pod.isMirror: mirrors.seen(cluster.mirrors)
        // A name is the file's: the API server would never have let both in.
        case .changed(let pod) where names.contains(pod.fullName), .removed(let pod) where names.contains(pod.fullName):
            break
        case .changed(let pod): manager.tell(.wantedOne(pod))
        case .removed(let pod): manager.tell(.unwanted(pod.metadata.uid))
        }
    }

    func take(files pods: WantedPods) {
        files = pods
        names = Set(pods.pods.map(\.fullName))
        mirrors.wanted(pods.pods)
        tellAll()
    }

    private func tellAll() {
        var all = files ?? WantedPods()
        let wanted = cluster.wanted
        all.pods += wanted.pods.filter { !names.contains($0.fullName) }
        all.unreadableUIDs.formUnion(wanted.unreadableUIDs)
        all.isPartial = !isListed || files == nil
        manager.tell(.wanted(all))
    }
}
