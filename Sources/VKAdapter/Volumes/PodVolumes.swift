import HostFiles
import KubeAPI
import Logging
import Waiting

/// The volumes of all pods here: what is in them, kept up to date as long as their pods live. An object that changes, a
/// token that grows old, a label of the pod: the volume changes, all of it at once.
actor PodVolumes {
    struct Intervals: Sendable {
        /// Between tries to bring a volume up to date.
        var retry: Duration = .seconds(10)
        /// Between looks at what limited volumes take.
        var usage: Duration = .seconds(10)
        /// After so long everything is looked at again: not everything can be followed.
        var refresh: Duration = .seconds(600)
    }

    /// What the pods' workers have to know.
    enum News: Sendable {
        /// Something a pod waits for may be there now.
        case changed(uid: String)
        /// The pod took more than it may.
        case exceeded(uid: String, message: String)
    }

    struct Entry {
        var pod: Pod
        /// Nothing has changed since the volumes were written last.
        var isCurrent = false
        /// All volumes were there once.
        var wasReady = false
        var written: [String: VolumeContent] = [:]
        var claims: [String: ClaimedVolume] = [:]
        /// Opens when whoever works on the pod's volumes is done.
        var turn: Latch?
        var timer: Task<Void, Never>?
    }

    let host: any VolumeHost
    /// `nil` without a cluster.
    let cluster: ClusterMaterial?
    let mapping: MappingContext
    let intervals: Intervals
    let logger: Logger
    private let events: any PodEvents
    private let now: @Sendable () -> Timestamp
    var entries: [String: Entry] = [:]
    private let stale: AsyncStream<String>
    private let renew: AsyncStream<String>.Continuation

    init(
        host: any VolumeHost, cluster: ClusterMaterial? = nil, mapping: MappingContext,
        events: any PodEvents = NoPodEvents(), intervals: Intervals = Intervals(),
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() },
        logger: Logger
    ) {
        self.host = host
        self.cluster = cluster
        self.mapping = mapping
        self.events = events
        self.intervals = intervals
        self.now = now
        self.logger = logger
        (stale, renew) = AsyncStream.makeStream()
    }

    /// Keeps volumes up to date, until the task is cancelled.
    func run(_ tell: @escaping @Sendable (News) -> Void) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await uid in self.stale { group.addTask { await self.refresh(uid) } }
                    group.cancelAll()
                }
            }
            group.addTask { await self.watchUsage(tell) }
            guard let cluster else { return }
            group.addTask { await cluster.run() }
            group.addTask {
                for await uids in cluster.changes {
                    for uid in uids {
                        await self.expire(uid)
                        tell(.changed(uid: uid))
                    }
                }
            }
        }
    }

    // MARK: The pods

    /// The pod is here, as it is now: what it needs is asked for, though nobody waits for it yet.
    func begin(_ pod: Pod) async {
        let uid = pod.metadata.uid
        let isKnown = entries[uid] != nil
        await register(pod)
        if entries[uid]?.isCurrent == false, !isKnown || entries[uid]?.wasReady == true { renew.yield(uid) }
    }

    /// Nothing runs any more that could use the pod's volumes: nothing of it is followed.
    func release(uid: String) async {
        entries.removeValue(forKey: uid)?.timer?.cancel()
        await cluster?.cache.release(uid)
        await cluster?.tokens.keep([], for: uid)
    }

    /// The same, and nobody writes to them any more.
    func end(uid: String) async {
        let turn = entries[uid]?.turn
        await release(uid: uid)
        await turn?.wait(atMost: .seconds(10))
    }

    private func register(_ pod: Pod) async {
        let uid = pod.metadata.uid
        if let old = entries[uid]?.pod {
            let isSame =
                old.spec == pod.spec && old.metadata.labels == pod.metadata.labels
                && old.metadata.annotations == pod.metadata.annotations
            if isSame { return }
            entries[uid]?.pod = pod
            entries[uid]?.isCurrent = false
            // An ephemeral container may mount what nobody did before.
            if old.mountedVolumes != pod.mountedVolumes { entries[uid]?.wasReady = false }
        } else {
            entries[uid] = Entry(pod: pod)
        }
        guard let cluster else { return }
        let references = PodReferences(pod)
        await cluster.cache.use(references.objects, by: uid)
        await cluster.tokens.keep(references.tokens, for: uid)
        // It ended while we asked.
        if entries[uid] == nil {
            await cluster.cache.release(uid)
            await cluster.tokens.keep([], for: uid)
        }
    }

    private func expire(_ uid: String) {
        guard entries[uid] != nil else { return }
        entries[uid]?.isCurrent = false
        renew.yield(uid)
    }

    // MARK: Making them

    /// Makes every volume of the pod that is mounted; done at once when they are up to date.
    /// A pod that had all of them once goes on with what it has, as with a kubelet.
    /// - Throws: the text of the kubelet's `FailedMount` event.
    func prepare(_ pod: Pod) async throws(AdapterError) {
        await register(pod)
        let failures = try await takingTurn(pod.metadata.uid)
        guard !failures.isEmpty else { return }
        let error = told(failures, pod)
        if entries[pod.metadata.uid]?.wasReady != true { throw error }
    }

    private func told(_ failures: [(volume: Volume, error: AdapterError)], _ pod: Pod) -> AdapterError {
        let errors = failures.map { volume, error in
            AdapterError(
                error.code,
                "MountVolume.SetUp failed for volume \"\(volume.name)\" : "
                    + VolumeFiles.shortened(error.message, to: 2000), cause: error.cause)
        }
        if !Task.isCancelled {
            for error in errors { events.record(pod, .warning, reason: "FailedMount", message: "\(error)") }
        }
        return errors.first ?? AdapterError(.failed, "the volumes cannot be made")
    }

    private func refresh(_ uid: String) async {
        guard let name = entries[uid]?.pod.fullName else { return }
        var failures: [(volume: Volume, error: AdapterError)] = []
        do throws(AdapterError) { failures = try await takingTurn(uid) } catch { return }
        // Of a pod that never had them its worker says what is missing, and asks again.
        guard let failure = failures.first, entries[uid]?.wasReady == true, !Task.isCancelled else { return }
        logger.warning(
            "cannot bring volume \"\(failure.volume.name)\" up to date, trying on: \(failure.error)",
            metadata: ["pod": "\(name)"])
        schedule(uid, after: intervals.retry)
    }

    /// Brings a pod's volumes up to date, one at a time for each pod.
    private func takingTurn(_ uid: String) async throws(AdapterError) -> [(volume: Volume, error: AdapterError)] {
        while let turn = entries[uid]?.turn {
            await turn.wait(atMost: .seconds(60))
            if Task.isCancelled { throw AdapterError(.unavailable, "nobody waits for the volumes any more") }
        }
        guard let entry = entries[uid], !entry.isCurrent else { return [] }
        let turn = Latch()
        entries[uid]?.turn = turn
        // What changes from here on is for the next turn.
        entries[uid]?.isCurrent = true
        defer {
            entries[uid]?.turn = nil
            turn.open()
        }
        let failures = await update(uid, entry)
        if failures.isEmpty { ready(uid) } else { entries[uid]?.isCurrent = false }
        if failures.isEmpty { await scheduleRenewal(uid) }
        return failures
    }

    /// All volumes are there.
    private func ready(_ uid: String) {
        guard let entry = entries[uid], !entry.wasReady else { return }
        entries[uid]?.wasReady = true
        if let problem = Self.groupProblem(entry.pod, hostKeepsGroups: host.keepsGroups) {
            events.record(entry.pod, .warning, reason: "FSGroupNotApplied", message: problem)
        }
    }

    private func update(_ uid: String, _ entry: Entry) async -> [(volume: Volume, error: AdapterError)] {
        let pod = entry.pod
        typealias Made = (index: Int, result: Result<Volume.Made, AdapterError>)
        let volumes = pod.mountedVolumes
        return await withTaskGroup(of: Made.self) { group in
            for (index, volume) in volumes.enumerated() {
                group.addTask {
                    do throws(AdapterError) {
                        return (
                            index, .success(try await self.make(volume, of: pod, written: entry.written[volume.name]))
                        )
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var failures: [Int: AdapterError] = [:]
            for await (index, result) in group {
                switch result {
                case .success(let made):
                    entries[uid]?.written[volumes[index].name] = made.content
                    if let claim = made.claim { entries[uid]?.claims[volumes[index].name] = claim }
                case .failure(let error): failures[index] = error
                }
            }
            return failures.sorted { $0.key < $1.key }.map { (volumes[$0.key], $0.value) }
        }
    }

    // MARK: Time

    private func scheduleRenewal(_ uid: String) async {
        guard let pod = entries[uid]?.pod else { return }
        let references = PodReferences(pod)
        var delay: Duration?
        if let due = await cluster?.tokens.renewal(for: uid) { delay = max(.milliseconds(100), due.since(now())) }
        if !references.bundles.isEmpty { delay = min(delay ?? intervals.refresh, intervals.refresh) }
        if let delay { schedule(uid, after: delay) }
    }

    private func schedule(_ uid: String, after delay: Duration) {
        guard entries[uid] != nil else { return }
        entries[uid]?.timer?.cancel()
        entries[uid]?.timer = Task { [weak self] in
            do { try await Task.sleep(for: delay) } catch { return }
            await self?.expire(uid)
        }
    }
}
