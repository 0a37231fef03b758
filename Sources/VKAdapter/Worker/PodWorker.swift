import KubeAPI
import Logging
import NIOConcurrencyHelpers
import Proto

/// Makes one pod what it should be: looks at what the runtime has, asks ``nextActions(spec:observed:backoff:now:busy:isEnded:)``,
/// does it, and looks again. Everything it must not forget is in the runtime.
actor PodWorker {
    nonisolated let uid: String
    let context: PodContext
    var pod: Pod
    var backoff = BackOffs()
    var logger: Logger
    var observed = ObservedPod()
    /// Set when the pod only wants its images.
    var pulls: PullOnly?
    private(set) var status: PodStatus?
    /// What was said of the pod's runs before this adapter started, by id.
    let known: [String: ContainerStatus]
    let firstSeen = ContinuousClock.now
    /// `nil` where nobody can be asked.
    let probes: PodProbes?
    var findings = PodProbes.Findings()
    /// The runs of containers whose postStart hook runs, or has failed and which are not seen to have ended yet: id by name.
    var hooking: [String: String] = [:]
    var resizes: Resizes
    /// It is the pod's turn to get places for its machines.
    private let turned = NIOLockedValueBox(false)
    var hasToldWait = false
    /// By id of the run.
    var memory: [String: RunMemory] = [:]
    /// The pod's containers end, in this order, once the first of them was told to.
    var ending: TerminationOrder?
    private(set) var isEnding = false
    private var busy: Set<Action.Subject> = []
    private(set) var isRemoving: Bool
    private var isGone = false
    /// How often something appeared that the pod may have waited for.
    private var wants = 0
    /// It ended for good, and what it was made of is not followed any more.
    private var isOver = false
    /// What its containers take of their engine is counted.
    private var isCounted = false
    /// How often the time it has to end was made shorter.
    private var hurries = 0
    private(set) var failure: WaitingReason?
    /// Seconds its containers get when it failed as a whole.
    private(set) var endGrace: Int64?
    private var timer: Task<Void, Never>?
    /// Steps that went well, and when: a runtime that does not show it yet is not asked again at once.
    private var finished: [Action: Timestamp] = [:]
    private var wasUnreachable = false
    /// Waits that were told, so that each is told once.
    var toldWaits: [String: WaitingReason] = [:]
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameter isRemoving: the pod is only stopped and removed: nobody wants it any more.
    init(_ pod: Pod, isRemoving: Bool = false, context: PodContext) {
        self.pod = pod
        self.isRemoving = isRemoving
        self.context = context
        uid = pod.metadata.uid
        // What was said before, by an adapter or of a pod that waited for its worker: times and addresses go on from there.
        status = pod.status.startTime != nil ? pod.status : context.store.pod(uid: pod.metadata.uid)?.status
        if pod.status.phase == .failed, !pod.status.reason.isEmpty {
            let disruption = pod.status.condition(.disruptionTarget)
            failure = WaitingReason(
                pod.status.reason, pod.status.message,
                disruption: disruption?.reason == StatusInput.terminated ? disruption?.message : nil)
        }
        pulls = PullOnly(pod)
        resizes = Resizes(pod, known: pod.status.startTime == nil ? nil : pod.status)
        known = Dictionary(
            (pod.status.initContainerStatuses + pod.status.containerStatuses).compactMap { status in
                status.containerID.split(separator: "/").last.map { (String($0), status) }
            }
        ) { first, _ in first }
        var logger = context.logger
        logger[metadataKey: "pod"] = "\(pod.fullName)"
        self.logger = logger
        backoff.policy = context.policy
        backoff.mountPolicy = context.mountPolicy
        backoff.retry = context.retry
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        (self.signals, self.signal) = (signals, signal)
        probes = context.handlers.map { [logger] handlers in
            PodProbes(
                prober: handlers, events: context.events, metrics: context.metrics, now: context.now,
                logger: logger, changed: { signal.yield() })
        }
    }

    /// Something may have happened to the pod.
    nonisolated func poke() { signal.yield() }

    /// Called when the pod is the first of those that wait for places.
    nonisolated func turn() {
        turned.withLockedValue { $0 = true }
        poke()
    }

    /// Another specification of the same pod.
    func update(_ new: Pod) async {
        guard !isRemoving, new != pod else { return }
        for new in new.spec.allContainers {
            guard let old = container(new.name), old.image != new.image else { continue }
            backoff.forget(new.name)
        }
        let isEcho = new.isEcho(of: pod)
        pod = new
        guard !isEcho else { return }
        considerResize()
        poke()
        if !new.isOver, !isOver, pulls == nil { await context.volumes.begin(new) }
    }

    /// Something the pod waits for may be there now: what failed for want of it is tried at once.
    func retry() {
        wants += 1
        backoff.forgetWants()
        poke()
    }

    /// The pod ends, and never runs again.
    /// - Parameter grace: seconds its containers get; the pod's own where `nil`.
    func fail(_ reason: WaitingReason, grace: Int64? = nil) {
        guard !isRemoving, failure == nil else { return }
        logger.warning("ending pod: \(reason.message)")
        tell(.warning, reason.reason, reason.message)
        failure = reason
        endGrace = grace
        poke()
    }

    /// Containers that run already have what they asked for, whoever has given it.
    private func countContainers() {
        let kind = observed.sandbox?.annotations[RuntimePlan.Annotation.kind]
        guard !isCounted, !isOver, kind == RuntimePlan.Kind.container.rawValue else { return }
        isCounted = true
        context.pool.found(pod)
    }

    /// The node does not have what the pod asks for after all.
    func reject(_ reason: WaitingReason) {
        guard !isRemoving, failure == nil else { return }
        logger.warning("rejecting pod: \(reason.message)")
        tell(.warning, reason.reason, reason.message)
        failure = WaitingReason(reason.reason, "Pod was rejected: \(reason.message)")
        poke()
    }

    /// The pod has to go. Steps towards running it are cancelled.
    /// - Parameters:
    ///   - grace: seconds its containers get; the pod's own where `nil`.
    ///   - generation: of the pod, as it is deleted.
    func remove(grace: Int64? = nil, generation: Int64? = nil) {
        if let generation { pod.metadata.generation = generation }
        if isRemoving { return hurry(grace) }
        isRemoving = true
        context.slots.leave(uid)
        pod.metadata.deletionGracePeriodSeconds = grace ?? pod.spec.terminationGracePeriodSeconds ?? 30
        pod.metadata.deletionTimestamp = context.now().advanced(
            by: .seconds(pod.metadata.deletionGracePeriodSeconds ?? 0))
        logger.info("stopping pod")
        poke()
    }

    /// The pod is going, and now has less time.
    private func hurry(_ grace: Int64?) {
        guard let grace, grace < pod.metadata.deletionGracePeriodSeconds ?? .max else { return }
        pod.metadata.deletionGracePeriodSeconds = grace
        hurries += 1
        poke()
    }

    /// Works until the pod is removed or the task is cancelled; then the pod runs on.
    func run() async {
        await withDiscardingTaskGroup { group in
            if let probes { group.addTask { await probes.run() } }
            await work()
            group.cancelAll()
        }
        context.metrics.forgetProbes(of: pod)
        context.slots.leave(uid)
        context.pool.leave(uid)
    }

    private func work() async {
        poke()
        if !isRemoving, !pod.isOver, pulls == nil { await context.volumes.begin(pod) }
        while !Task.isCancelled, !isGone {
            let (wasRemoving, hurried) = (isRemoving, hurries)
            await withDiscardingTaskGroup { group in
                for await _ in signals {
                    if isRemoving != wasRemoving || hurries != hurried || isGone { break }
                    for action in await step() { group.addTask { await self.perform(action) } }
                }
                // Steps of a pod that is going now, or of an adapter that ends, are of no use.
                group.cancelAll()
            }
            busy = []
            poke()
        }
        timer?.cancel()
        signal.finish()
    }

    /// How long a step that went well is not repeated.
    private static let patience: Duration = .seconds(1)

    /// One look and what follows from it.
    private func step() async -> [Action] {
        let start = ContinuousClock.now
        defer { noteWork(start) }
        // Before and after the look: what ends in between may be missing from it.
        let before = busy
        let removing = isRemoving
        do {
            observed = try await context.provider.observe(podUID: uid)
        } catch {
            if !Task.isCancelled { lost(error) }
            return []
        }
        wasUnreachable = false
        guard removing == isRemoving else { return [] }
        // It got the annotation only after something of it had run.
        if !observed.isEmpty { pulls = nil }
        let shown = pulls?.observed(isEnding: removing || failure != nil) ?? observed
        countContainers()
        await readMessages()
        await askProbes()
        if turned.withLockedValue({ turned in
            defer { turned = false }; return turned
        }) {
            backoff.succeeded(.sandbox)
        }
        if resizes.pending?.reason == "Deferred" { considerResize() }
        let busy = before.union(busy)
        let now = context.now()
        let deadline = deadline(now)
        isEnding = removing || failure != nil || isDone(spec: pod, observed: shown, backoff: backoff, now: now)
        if !isEnding { ending = nil }
        let actions =
            if removing {
                removalActions(spec: pod, observed: observed, backoff: backoff, now: now, busy: busy)
            } else if let pulls {
                failure == nil ? pulls.actions(spec: pod, backoff: backoff, now: now, busy: busy) : []
            } else {
                nextActions(
                    spec: pod, observed: observed, backoff: backoff, now: now, busy: busy, facts: facts,
                    isEnded: failure != nil)
            }
        var waiting: [String: WaitingReason] = [:]
        var wake = deadline
        var work: [Action] = []
        for action in actions {
            guard case .wait(let name, let reason, let until) = action else {
                if let again = finished[action]?.advanced(by: Self.patience), now < again {
                    wake = min(wake ?? again, again)
                } else {
                    work.append(action)
                }
                continue
            }
            waiting[name] = reason
            wake = min(wake ?? until, until)
        }
        finished = finished.filter { now < $0.value.advanced(by: Self.patience) }
        for action in work { self.busy.insert(action.subject) }
        waiting.merge(backoff.reasons(of: self.busy)) { one, _ in one }
        tell(waits: waiting)
        publish(shown, waiting, now)
        schedule(wake, now)
        if !isOver, status?.phase == .succeeded || status?.phase == .failed {
            isOver = true
            context.pool.leave(uid)
            await context.volumes.release(uid: uid)
        }
        return work
    }

    /// - Returns: when the pod's active deadline comes.
    private func deadline(_ now: Timestamp) -> Timestamp? {
        guard !isRemoving, failure == nil, let seconds = pod.spec.activeDeadlineSeconds,
            let start = status?.startTime, status?.phase != .succeeded, status?.phase != .failed
        else { return nil }
        let end = start.advanced(by: .seconds(seconds))
        if now < end { return end }
        failure = WaitingReason("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        logger.warning("pod was active longer than its deadline of \(seconds) s")
        context.events.record(pod, .normal, reason: "DeadlineExceeded", message: failure?.message ?? "")
        return nil
    }

    private func publish(_ observed: ObservedPod, _ waiting: [String: WaitingReason], _ now: Timestamp) {
        if isGone { return }
        var input = StatusInput(pod: pod, now: now)
        input.sandbox = observed.sandbox
        input.containers = observed.containers.map(\.status)
        input.waiting = waiting
        if let all = waiting[""] {
            for container in pod.spec.allContainers { input.waiting[container.name] = all }
        }
        input.previous = status
        input.hostIPs = context.mapping.hostIPs
        input.runtimeName = context.runtime.name
        input.terminationMessages = memory.compactMapValues(\.lastWords)
        input.readiness = findings.readiness
        input.startup = findings.startup
        for name in hooking.keys { input.startup[name] = false }
        if pulls != nil {
            for run in observed.containers { (input.readiness[run.name], input.startup[run.name]) = (true, true) }
        }
        input.allocated = resizes.allocated
        input.actual = resizes.actual
        input.resizePending = resizes.pending
        input.resizeInProgress = resizeInProgress
        input.failure = failure
        input.terminating = isRemoving
        input.readGuests(context.guests)
        let new = input.status()
        if new.phase != status?.phase {
            noteStart(status?.phase, new.phase)
            logger.info("pod is \(new.phase)", metadata: new.podIP.isEmpty ? [:] : ["ip": "\(new.podIP)"])
        }
        status = new
        var shown = pod
        shown.status = new
        context.store.publish(shown)
    }

    /// What containers that ended have left to say; each is asked once.
    private func readMessages() async {
        for run in observed.containers
        where run.status.state == .containerExited && memory[run.id]?.lastWords == nil {
            do {
                var text = try await context.volumes.terminationMessage(
                    podUID: uid, container: run.name, attempt: run.attempt)
                let falls =
                    run.status.annotations[KubeletAnnotation.terminationMessagePolicy] == "FallbackToLogsOnError"
                if text == nil, falls, run.status.exitCode != 0 {
                    text = try await context.logs.tail(run.status.logPath, bytes: 2048, lines: 80)
                }
                memory[run.id, default: RunMemory()].lastWords = text ?? run.status.message
            } catch {
                if Task.isCancelled { return }
                memory[run.id, default: RunMemory()].lastWords = run.status.message
                logger.warning("cannot read the last words of container \(run.name): \(error)")
            }
        }
        hooking = hooking.filter { name, id in
            busy.contains(.container(name)) || observed.containers.contains { $0.id == id && $0.isRunning }
        }
        let present = Set(observed.containers.map(\.id))
        memory = memory.filter { present.contains($0.key) }
    }

    /// Whether a step failed because nobody was there to do it. A runtime that says itself that something is unavailable
    /// (a registry, its engine) is there.
    private func isRuntimeAway(_ error: any Error) async -> Bool {
        let cause = (error as? StartFailure)?.cause ?? error
        guard (cause as? AdapterError)?.code == .unavailable else { return false }
        do {
            _ = try await context.provider.version()
            return false
        } catch {
            return true
        }
    }

    private func lost(_ error: any Error) {
        // The watcher says when the runtime is away; whoever is waited for wakes everybody.
        let isAway = (error as? AdapterError)?.code == .unavailable
        if !wasUnreachable, !isAway { logger.error("cannot look at the pod: \(error)") }
        wasUnreachable = true
        let now = context.now()
        schedule(now.advanced(by: context.retry), now)
    }

    private func schedule(_ wake: Timestamp?, _ now: Timestamp) {
        timer?.cancel()
        guard let wake else { return timer = nil }
        let delay = min(max(.milliseconds(1), wake.since(now)), .longest)
        timer = Task { [signal] in
            do { try await Task.sleep(for: delay) } catch { return }
            signal.yield()
        }
    }

    private func perform(_ action: Action) async {
        let wanted = wants
        let start = ContinuousClock.now
        defer { noteWork(start) }
        do {
            if case .removeData = action {
                try await removeData()
                isGone = true
                context.store.remove(uid: uid, isGone: true)
            } else {
                try await traced(action) { try await take(action) }
                finished[action] = context.now()
            }
        } catch {
            if !Task.isCancelled, !(error is CancellationError) {
                failed(action, error, isAway: await isRuntimeAway(error))
                // What it failed for may have come after it was looked for.
                if wants != wanted { backoff.forgetWants() }
            }
        }
        busy.remove(action.subject)
        poke()
    }
}
