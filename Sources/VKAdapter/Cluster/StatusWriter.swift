import KubeAPI
import Logging

/// Tells the API server how pods are, and that those it wants gone are. One request per pod at a time; what is overtaken
/// while it waits is not sent.
actor StatusWriter {
    /// What the store says, in order.
    struct News: Sendable {
        var pod: Pod
        /// Nothing of the pod is left here.
        var isGone: Bool
    }

    /// The conditions a kubelet tells.
    static let ownConditions: Set<PodCondition.Kind> = [
        .readyToStartContainers, .initialized, .ready, .containersReady, .scheduled, .resizePending, .resizeInProgress,
    ]

    /// Those of a status that are ours.
    static func own(_ status: PodStatus) -> Set<PodCondition.Kind> {
        let isOurs = status.condition(.disruptionTarget)?.reason == StatusInput.terminated
        return isOurs ? ownConditions.union([.disruptionTarget]) : ownConditions
    }

    private let client: KubeClient
    private let logger: Logger
    private var backOff: JitteredBackOff
    private let inbox = Inbox<News>()
    private var waiting: [String: News] = [:]
    private var busy: Set<String> = []
    /// What the API server took last, by UID.
    private var sent: [String: PodStatus] = [:]

    init(
        client: KubeClient, backOff: JitteredBackOff = JitteredBackOff(initial: .milliseconds(200)), logger: Logger
    ) {
        self.client = client
        self.backOff = backOff
        self.logger = logger
    }

    /// Whether everything was told.
    var isIdle: Bool { inbox.isEmpty && busy.isEmpty }

    nonisolated func tell(_ pod: Pod, isGone: Bool) { inbox.put(News(pod: pod, isGone: isGone)) }

    /// Runs until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await news in inbox.elements {
                let uid = news.pod.metadata.uid
                // That it is gone is the last word.
                if waiting[uid]?.isGone != true { waiting[uid] = news }
                if busy.insert(uid).inserted { group.addTask { await self.write(uid) } }
                inbox.done()
            }
            group.cancelAll()
        }
    }

    private func write(_ uid: String) async {
        var backOff = backOff
        while !Task.isCancelled, let news = waiting.removeValue(forKey: uid) {
            let began = ContinuousClock.now
            do {
                try await write(news)
                backOff.reset()
                if news.isGone { sent[uid] = nil }
            } catch let error as KubeAPIError where error.isNotFound || error.isOfAnother {
                // It is gone there, or another of its name is there.
                sent[uid] = nil
            } catch {
                if Task.isCancelled { return }
                // What can never be told is not said again; what came since is.
                let isPermanent = (error as? KubeAPIError)?.isPermanent == true
                logger.warning(
                    isPermanent
                        ? "the cluster does not take a pod's status: \(error)"
                        : "cannot tell the cluster how a pod is, trying on: \(error)",
                    metadata: ["pod": "\(news.pod.fullName)"])
                if waiting[uid] == nil, !isPermanent { waiting[uid] = news }
                do { try await client.pause(backOff.step(), since: began) } catch { return }
            }
        }
        busy.remove(uid)
    }

    /// Whether the API server would see no difference: it keeps no fractions of seconds, and conditions of others are not
    /// ours to tell.
    static func isSame(_ told: PodStatus?, _ status: PodStatus) -> Bool {
        guard let told else { return false }
        if told == status { return true }
        let own = own(told).union(own(status))
        return told.patch(uid: "", own: own, before: told) == status.patch(uid: "", own: own, before: told)
    }

    private func write(_ news: News) async throws {
        let pod = news.pod
        let (namespace, name, uid) = (pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)
        let before = sent[uid]
        if !Self.isSame(before, pod.status) {
            let patch = pod.status.patch(uid: uid, own: Self.own(pod.status), before: before)
            do {
                _ = try await client.patch(.pods, namespace: namespace, name: name, subresource: "status", patch)
                sent[uid] = pod.status
            } catch let error as KubeAPIError
                where news.isGone && error.isPermanent && !error.isNotFound && !error.isOfAnother
            {
                // How it ended cannot be told: that it is gone can.
                logger.error(
                    "the cluster does not take the pod's last status: \(error)", metadata: ["pod": "\(pod.fullName)"])
            }
        }
        guard news.isGone else { return }
        try await client.delete(.pods, namespace: namespace, name: name, grace: 0, uid: uid)
        logger.info("told the cluster that the pod is gone", metadata: ["pod": "\(pod.fullName)"])
    }
}
