import KubeAPI
import Logging

/// Gives every pod its worker: those the sources want, and those only the runtime still has, which are removed. One loop
/// over one queue of news; workers are its children.
actor PodManager {
    enum News: Sendable {
        /// All pods that should be there.
        case wanted(WantedPods)
        /// One more, or one of them is another now; only after ``wanted(_:)``.
        case wantedOne(Pod)
        /// The pod with that UID should not be there any more.
        case unwanted(String)
        /// All pods the runtime has.
        case listed([String: PodDigest])
        /// Something happened to a pod; to all of them where it is empty.
        case changed(String)
        case ended(String)
        /// About the volumes and objects of a pod.
        case volumes(PodVolumes.News)
        /// The pod with that UID has to end for good, within so many seconds; its own time where `nil`.
        case failed(String, WaitingReason, grace: Int64? = nil)
    }

    private let context: PodContext
    private let queue: AsyncStream<News>
    private let input: AsyncStream<News>.Continuation
    private var workers: [String: PodWorker] = [:]
    private var wanted: [String: Pod]?
    private var unreadable = WantedPods()
    /// Pods that are gone from here, and that their source has not let go of yet.
    private var finished: Set<String> = []
    /// Pods nobody had taken in when they were first seen. What the cluster has been told since says nothing about it.
    private var fresh: Set<String> = []
    /// Pods this node does not take, as they were told.
    private var rejected: [String: Pod] = [:]
    /// What the runtime had at the last list; `nil` before the first.
    private var listed: [String: PodDigest]?
    private var hasCleared = false

    init(context: PodContext) {
        self.context = context
        (queue, input) = AsyncStream.makeStream()
    }

    nonisolated func tell(_ news: News) { input.yield(news) }

    /// Runs until the task is cancelled. Pods run on.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await news in queue {
                for worker in take(news) {
                    group.addTask {
                        await worker.run()
                        if !Task.isCancelled { self.tell(.ended(worker.uid)) }
                    }
                }
                if let leftovers = dataToClear() { group.addTask { await self.clear(leftovers) } }
                for (worker, pod) in changes {
                    switch pod {
                    case nil: await worker.remove()
                    case let pod? where pod.metadata.deletionTimestamp != nil:
                        await worker.remove(
                            grace: pod.metadata.deletionGracePeriodSeconds, generation: pod.metadata.generation)
                    case let pod?: await worker.update(pod)
                    }
                }
                changes = []
                if case .volumes(let news) = news { await tell(news) }
                if case .failed(let uid, let reason, let grace) = news {
                    await workers[uid]?.fail(reason, grace: grace)
                }
            }
            group.cancelAll()
        }
    }

    private func tell(_ news: PodVolumes.News) async {
        switch news {
        case .changed(let uid): await workers[uid]?.retry()
        case .exceeded(let uid, let message):
            await workers[uid]?.fail(WaitingReason("Evicted", message), grace: Eviction.immediate)
        }
    }

    /// Workers with a new specification, or none when their pod has to go.
    private var changes: [(PodWorker, Pod?)] = []

    /// - Returns: workers to start.
    private func take(_ news: News) -> [PodWorker] {
        switch news {
        case .wanted(let news):
            let pods = news.pods
            wanted = Dictionary(pods.map { ($0.metadata.uid, $0) }) { first, _ in first }
            unreadable = news
            unreadable.pods = []
            finished.formIntersection(pods.map(\.metadata.uid))
            rejected = rejected.filter { self.wanted?[$0.key] != nil }
            fresh.formIntersection(pods.map(\.metadata.uid))
            let known = Set(workers.keys).union(pods.map(\.metadata.uid))
            for uid in context.store.uids.subtracting(known) { context.store.remove(uid: uid) }
            for (uid, worker) in workers where !unreadable.unreadableUIDs.contains(uid) {
                changes.append((worker, self.wanted?[uid]))
            }
            for pod in pods where workers[pod.metadata.uid] == nil { see(pod) }
        case .wantedOne(let pod):
            wanted?[pod.metadata.uid] = pod
            if let worker = workers[pod.metadata.uid] {
                changes.append((worker, pod))
                return []
            }
            see(pod)
        case .unwanted(let uid):
            wanted?[uid] = nil
            finished.remove(uid)
            rejected[uid] = nil
            fresh.remove(uid)
            if let worker = workers[uid] {
                changes.append((worker, nil))
            } else {
                context.store.remove(uid: uid)
            }
        case .listed(let pods):
            let before = listed ?? [:]
            listed = pods
            for (uid, worker) in workers where before[uid] != pods[uid] { worker.poke() }
        case .failed: return []
        case .changed(let uid):
            if uid.isEmpty {
                for worker in workers.values { worker.poke() }
            } else {
                workers[uid]?.poke()
            }
            return []
        case .volumes: return []
        case .ended(let uid):
            workers[uid] = nil
            names[uid] = nil
            listed?[uid] = nil
            if wanted?[uid]?.metadata.deletionTimestamp != nil { finished.insert(uid) }
        }
        return settle()
    }

    /// A pod without a worker is shown as nobody has looked at it yet.
    private func see(_ pod: Pod) {
        guard context.store.pod(uid: pod.metadata.uid) == nil else { return }
        if pod.status.startTime == nil { fresh.insert(pod.metadata.uid) }
        context.store.publish(pending(pod))
    }

    /// Nothing is started or removed before both sides are known: what should be, and what is.
    private func settle() -> [PodWorker] {
        guard let wanted, let listed else { return [] }
        var new: [PodWorker] = []
        func add(_ worker: PodWorker, _ name: String) {
            workers[worker.uid] = worker
            names[worker.uid] = name
            new.append(worker)
        }
        for (uid, digest) in listed where wanted[uid] == nil && workers[uid] == nil {
            if let file = digest.annotations[StaticPod.fileAnnotation], unreadable.unreadableFiles.contains(file) {
                continue
            }
            if unreadable.isPartial || unreadable.unreadableUIDs.contains(uid) { continue }
            let name = "\(digest.identity.podNamespace)/\(digest.identity.podName)"
            context.logger.info(
                "removing a pod nobody wants any more", metadata: ["pod": "\(name)", "uid": "\(uid)"])
            add(PodWorker(orphan(uid, digest), isRemoving: true, context: context), name)
        }
        let idle = wanted.keys.filter { workers[$0] == nil }.compactMap { wanted[$0] }
        guard !idle.isEmpty else { return new }
        // A pod waits until another of its name is gone.
        var taken = Set(names.values)
        // Who came first is admitted first.
        func order(_ pod: Pod) -> (Int64, String) {
            (pod.metadata.creationTimestamp?.nanosecondsSince1970 ?? 0, pod.fullName)
        }
        var admitted: [Pod]?
        for pod in idle.sorted(by: { order($0) < order($1) }) {
            let uid = pod.metadata.uid
            if pod.isOver, pod.metadata.deletionTimestamp == nil, listed[uid] == nil {
                // It has ended before, and nothing of it is left: it never runs again.
                context.store.publish(pod)
            } else if rejected[uid] != nil, pod.metadata.deletionTimestamp == nil {
                continue
            } else if isNew(pod), !taken.contains(pod.fullName), reject(pod, beside: &admitted) {
                continue
            } else if !finished.contains(uid), taken.insert(pod.fullName).inserted {
                add(PodWorker(pod, isRemoving: pod.metadata.deletionTimestamp != nil, context: context), pod.fullName)
            }
        }
        return new
    }

    /// Of the pods that have workers.
    private var names: [String: String] = [:]

    /// Whether nobody has taken the pod in yet.
    private func isNew(_ pod: Pod) -> Bool {
        let uid = pod.metadata.uid
        return fresh.contains(uid) && !finished.contains(uid) && listed?[uid] == nil
            && pod.metadata.deletionTimestamp == nil
    }

    /// Turns a pod away that does not fit here; it fails for good.
    /// - Parameter admitted: the pods that are here, once somebody has counted them.
    /// - Returns: whether it was turned away.
    private func reject(_ pod: Pod, beside admitted: inout [Pod]?) -> Bool {
        fresh.remove(pod.metadata.uid)
        guard let admission = context.admission else { return false }
        var others = admitted ?? context.store.all.filter { workers[$0.metadata.uid] != nil && !$0.isOver }
        defer { admitted = others }
        let reason: WaitingReason
        switch admission.decision(on: pod, beside: others) {
        case .take:
            others.append(pod)
            return false
        case .takeInsteadOf(let uids):
            context.logger.warning("ending \(uids.count) pods for one the node cannot do without: \(pod.fullName)")
            for uid in uids { tell(.failed(uid, Preemption.reason)) }
            others.removeAll { uids.contains($0.metadata.uid) }
            others.append(pod)
            return false
        case .refuse(let why): reason = why
        }
        context.logger.warning("rejecting pod: \(reason.message)", metadata: ["pod": "\(pod.fullName)"])
        context.events.record(pod, .warning, reason: reason.reason, message: reason.message)
        var input = StatusInput(pod: pod, now: context.now())
        input.hostIPs = context.mapping.hostIPs
        input.failure = WaitingReason(reason.reason, "Pod was rejected: \(reason.message)")
        var shown = pod
        shown.status = input.status()
        rejected[pod.metadata.uid] = shown
        context.store.publish(shown)
        return true
    }

    /// The pod before anybody has looked at it: what was told of it before still holds.
    private func pending(_ pod: Pod) -> Pod {
        if pod.status.startTime != nil { return pod }
        var input = StatusInput(pod: pod, now: context.now())
        input.hostIPs = context.mapping.hostIPs
        var pod = pod
        pod.status = input.status()
        return pod
    }

    /// What can be said of a pod whose specification is lost.
    private func orphan(_ uid: String, _ digest: PodDigest) -> Pod {
        var pod = Pod()
        pod.metadata.name = digest.identity.podName
        pod.metadata.namespace = digest.identity.podNamespace
        pod.metadata.uid = uid
        pod.metadata.deletionTimestamp = context.now()
        pod.metadata.deletionGracePeriodSeconds = digest.grace
        pod.spec.restartPolicy = .never
        return pod
    }

    // MARK: Files of pods that are gone

    /// - Returns: once, when both sides are known: who keeps its files.
    private func dataToClear() -> Set<String>? {
        guard !hasCleared, !unreadable.isPartial, let wanted, let listed else { return nil }
        hasCleared = true
        return Set(wanted.keys).union(listed.keys).union(workers.keys)
    }

    private func clear(_ kept: Set<String>) async {
        do {
            for uid in try await context.volumes.podsWithData() where !kept.contains(uid) && workers[uid] == nil {
                try await context.volumes.removePod(uid: uid)
                context.logger.info("removed the files of a pod that is gone", metadata: ["uid": "\(uid)"])
            }
        } catch {
            context.logger.warning("cannot remove the files of pods that are gone: \(error)")
        }
    }
}

extension Pod {
    /// Whether it ended for good.
    var isOver: Bool { status.phase == .succeeded || status.phase == .failed }

    /// Whether the API server only repeats what it was told: nothing of the pod is another but what a kubelet says of it.
    func isEcho(of old: Pod) -> Bool {
        var (left, right) = (self, old)
        left.status = PodStatus {
            $0.conditions = status.conditions.filter { !StatusWriter.ownConditions.contains($0.type) }
        }
        right.status = PodStatus {
            $0.conditions = old.status.conditions.filter { !StatusWriter.ownConditions.contains($0.type) }
        }
        left.metadata.resourceVersion = ""
        right.metadata.resourceVersion = ""
        left.metadata.unknownFields.removeAll { $0.name == "managedFields" }
        right.metadata.unknownFields.removeAll { $0.name == "managedFields" }
        return left == right
    }
}
