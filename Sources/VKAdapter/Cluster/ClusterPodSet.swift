import KubeAPI

/// The pods an API server has for this node, as its news make them.
struct ClusterPodSet: Sendable {
    enum Change: Sendable {
        /// Too much to tell one by one.
        case everything
        case changed(Pod)
        case removed(Pod)
    }

    /// By UID, as they are to be taken here.
    private var pods: [String: Pod] = [:]
    private var unreadable: Set<String> = []

    /// What is to run.
    var wanted: WantedPods {
        WantedPods(pods: pods.values.filter { !$0.isMirror }, unreadableUIDs: unreadable.filter { pods[$0] == nil })
    }
    var mirrors: [Pod] { pods.values.filter(\.isMirror) }

    mutating func take(_ news: Reflector<Pod>.News) -> Change {
        switch news {
        case .replaced(let all, let broken):
            let before = pods
            pods = Dictionary(all.map { ($0.metadata.uid, Self.prepared($0)) }) { _, last in last }
            unreadable = Set(broken.map(\.uid))
            // What was understood of it once still holds: its pod runs on.
            for uid in unreadable { pods[uid] = before[uid] }
        case .changed(let pod):
            let pod = Self.prepared(pod)
            pods[pod.metadata.uid] = pod
            if unreadable.remove(pod.metadata.uid) == nil { return .changed(pod) }
        case .removed(let pod):
            pods[pod.metadata.uid] = nil
            if unreadable.remove(pod.metadata.uid) == nil { return .removed(Self.prepared(pod)) }
        case .unreadable(let object):
            unreadable.insert(object.uid)
        }
        return .everything
    }

    /// An item of a list does not say what it is. Where it comes from is not its own to say (as a kubelet has it): pods of
    /// this node's files take the place of others, and are ended for nobody.
    private static func prepared(_ pod: Pod) -> Pod {
        var pod = pod
        pod.kind = "Pod"
        pod.apiVersion = "v1"
        if !pod.isMirror {
            if pod.metadata.annotations[StaticPod.sourceAnnotation] != nil {
                pod.metadata.annotations[StaticPod.sourceAnnotation] = "api"
            }
            pod.metadata.annotations[StaticPod.fileAnnotation] = nil
        }
        return pod
    }
}

/// Everything that is to run here.
struct WantedPods: Sendable {
    var pods: [Pod] = []
    /// Manifest files that may mean others nobody can read.
    var unreadableFiles: Set<String> = []
    /// Pods that are wanted, though nobody can read how.
    var unreadableUIDs: Set<String> = []
    /// Not everybody has said yet what is to run: nothing ends for not being wanted.
    var isPartial = false
}
