import KubeAPI
import Logging

extension StaticPod {
    /// On the pod that stands for a static one in the API: the hash of what it stands for.
    static let mirrorAnnotation = "kubernetes.io/config.mirror"
}

extension Pod {
    /// Whether it comes from a file of this node.
    var isStatic: Bool { metadata.annotations[StaticPod.sourceAnnotation] == "file" && !isMirror }
    /// Whether it only shows a static pod to the cluster.
    var isMirror: Bool { metadata.annotations[StaticPod.mirrorAnnotation] != nil }
}

/// Shows the cluster the pods that come from files: each has a mirror in the API, which is made again when somebody
/// deletes it and goes when its pod has ended. Nothing anybody does to a mirror touches its pod.
actor MirrorPods {
    private enum News: Sendable {
        case wanted([Pod])
        case seen([Pod])
        case published(Pod)
        case gone(Pod)
        case again
    }

    private let client: KubeClient
    private let nodeName: String
    private let tell: @Sendable (Pod, _ isGone: Bool) -> Void
    private let retry: Duration
    private let logger: Logger
    private let inbox = Inbox<News>()

    /// By full name, as all that follow.
    private var wanted: [String: Pod]?
    private var mirrors: [String: Pod]?
    /// As they were told last; those that are ending are in here as well.
    private var living: [String: Pod] = [:]
    private var isLate = false

    /// - Parameter tell: tells the API server how a pod is.
    init(
        client: KubeClient, nodeName: String, retry: Duration = .seconds(2), logger: Logger,
        tell: @escaping @Sendable (Pod, _ isGone: Bool) -> Void
    ) {
        self.client = client
        self.nodeName = nodeName
        self.tell = tell
        self.retry = retry
        self.logger = logger
    }

    /// The pods the files want.
    nonisolated func wanted(_ pods: [Pod]) { inbox.put(.wanted(pods)) }
    /// The mirrors the API server has.
    nonisolated func seen(_ pods: [Pod]) { inbox.put(.seen(pods)) }

    /// How a pod is; one of the cluster's own is told at once.
    nonisolated func published(_ pod: Pod, isGone: Bool) {
        if pod.isStatic {
            inbox.put(isGone ? .gone(pod) : .published(pod))
        } else {
            tell(pod, isGone)
        }
    }

    /// Whether the writer was told everything; mirrors that cannot be made now do not count.
    nonisolated var isIdle: Bool { inbox.isEmpty }

    /// Runs until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await news in inbox.elements {
                take(news)
                await settle()
                inbox.done()
                if isLate {
                    isLate = false
                    group.addTask { [retry, inbox] in
                        do { try await Task.sleep(for: retry) } catch { return }
                        inbox.put(.again)
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func take(_ news: News) {
        switch news {
        case .again: break
        case .wanted(let pods): wanted = Dictionary(pods.map { ($0.fullName, $0) }) { first, _ in first }
        case .seen(let pods):
            let before = mirrors ?? [:]
            mirrors = Dictionary(pods.map { ($0.fullName, $0) }) { _, last in last }
            for (name, mirror) in mirrors ?? [:] where before[name]?.metadata.uid != mirror.metadata.uid { show(name) }
        case .published(let pod):
            // One of an edited file may still be ending when the next is told of.
            if let other = living[pod.fullName], other.metadata.uid != pod.metadata.uid,
                wanted?[pod.fullName]?.metadata.uid == other.metadata.uid
            {
                return
            }
            living[pod.fullName] = pod
            show(pod.fullName)
        case .gone(let pod):
            let name = pod.fullName
            if living[name]?.metadata.uid == pod.metadata.uid { living[name] = nil }
            guard let mirror = mirror(of: pod) else { return }
            mirrors?[name] = nil
            tell(Self.shown(pod, as: mirror), true)
        }
    }

    /// The mirror that stands for just this pod.
    private func mirror(of pod: Pod) -> Pod? {
        guard let mirror = mirrors?[pod.fullName],
            mirror.metadata.annotations[StaticPod.mirrorAnnotation] == pod.metadata.uid
        else { return nil }
        return mirror
    }

    private func show(_ name: String) {
        guard let pod = living[name], let mirror = mirror(of: pod) else { return }
        tell(Self.shown(pod, as: mirror), false)
    }

    private static func shown(_ pod: Pod, as mirror: Pod) -> Pod {
        var mirror = mirror
        mirror.status = pod.status
        return mirror
    }

    // MARK: The API server

    private func settle() async {
        guard let wanted, let mirrors else { return }
        for (name, mirror) in mirrors {
            let hash = mirror.metadata.annotations[StaticPod.mirrorAnnotation]
            let isRight = wanted[name]?.metadata.uid == hash && mirror.metadata.deletionTimestamp == nil
            // The mirror of a pod that is ending says how it ends.
            if isRight || (wanted[name] == nil && living[name] != nil) { continue }
            await attempt("delete", name) { [client] in
                try await client.delete(
                    .pods, namespace: mirror.metadata.namespace, name: mirror.metadata.name, grace: 0,
                    uid: mirror.metadata.uid)
                return nil
            }
        }
        for (name, pod) in wanted where mirrors[name] == nil {
            await attempt("make", name) { [client] in
                try await client.create(try await self.newMirror(pod), as: .pods, namespace: pod.metadata.namespace)
            }
        }
    }

    /// - Parameter work: gives the mirror that is there now.
    private func attempt(_ what: String, _ name: String, _ work: () async throws -> Pod?) async {
        do {
            mirrors?[name] = try await work()
            if mirrors?[name] != nil { show(name) }
        } catch let error as KubeAPIError where error.isNotFound && what == "delete" {
            mirrors?[name] = nil
        } catch let error as KubeAPIError where error.isAlreadyThere || error.isConflict {
            // What is there will be seen.
            logger.debug("mirror pod \(name): \(error)")
        } catch {
            if Task.isCancelled { return }
            isLate = true
            logger.warning("cannot \(what) the mirror of a static pod: \(error)", metadata: ["pod": "\(name)"])
        }
    }

    private func newMirror(_ pod: Pod) async throws -> Pod {
        let node = try await client.get(.nodes, name: nodeName)
        var mirror = pod
        mirror.status = PodStatus()
        mirror.metadata.uid = ""
        mirror.metadata.resourceVersion = ""
        mirror.metadata.annotations[StaticPod.mirrorAnnotation] = pod.metadata.uid
        // The node's end takes its mirrors with it.
        mirror.metadata.ownerReferences = [node.ownerReference(isController: true)]
        return mirror
    }
}
