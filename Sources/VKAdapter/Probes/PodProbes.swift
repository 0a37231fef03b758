import KubeAPI
import Logging

/// The probes of one pod: asks its containers when it is time, and says when a result changes.
actor PodProbes {
    /// What is known of the pod's containers.
    struct Findings: Sendable, Hashable {
        struct Failure: Sendable, Hashable {
            var kind: ProbeState.Kind
            /// Seconds the container gets to end; the pod's own where `nil`.
            var grace: Int64?
        }
        /// By container name, for those that have the probe.
        var readiness: [String: Bool] = [:]
        var startup: [String: Bool] = [:]
        /// Runs that have to be stopped, by id.
        var failed: [String: Failure] = [:]
    }

    private struct Key: Hashable {
        var container: String
        var kind: ProbeState.Kind
    }

    private let prober: HandlerRunner
    private let events: any PodEvents
    private let now: @Sendable () -> Timestamp
    private let changed: @Sendable () -> Void
    private let metrics: AdapterMetrics
    private var logger: Logger
    private var pod = Pod()
    private var sandbox = PodAddress(ip: "", sandboxID: "")
    private var runs: [String: ProbeState.Run] = [:]
    private var known: [String: ContainerStatus] = [:]
    private var states: [Key: ProbeState] = [:]
    private var busy: Set<Key> = []
    private var isEnding = false
    private var timer: Task<Void, Never>?
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(
        prober: HandlerRunner, events: any PodEvents, metrics: AdapterMetrics, now: @escaping @Sendable () -> Timestamp,
        logger: Logger, changed: @escaping @Sendable () -> Void
    ) {
        self.prober = prober
        self.events = events
        self.metrics = metrics
        self.now = now
        self.logger = logger
        self.changed = changed
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// What is so now of the pod.
    /// - Parameters:
    ///   - running: its running containers, by name; `hasStarted` says whether the postStart hook is done.
    ///   - known: what was said of the containers before this adapter started, by the id of their run.
    ///   - isEnding: the pod goes: only its readiness matters.
    func look(
        _ pod: Pod, _ sandbox: PodAddress, running: [String: ProbeState.Run], known: [String: ContainerStatus],
        isEnding: Bool
    ) -> Findings {
        self.pod = pod
        self.sandbox = sandbox
        self.known = known
        self.isEnding = isEnding
        runs = running
        var wanted: Set<Key> = []
        for container in pod.spec.initContainers.filter(\.isSidecar) + pod.spec.containers {
            for kind in ProbeState.Kind.allCases {
                guard let probe = container.probe(kind) else { continue }
                let key = Key(container: container.name, kind: kind)
                wanted.insert(key)
                if states[key] == nil { states[key] = ProbeState(kind, probe) }
                states[key]?.probe = probe
            }
        }
        states = states.filter { wanted.contains($0.key) }
        if !states.isEmpty {
            advance()
            wake.yield()
        }
        return findings
    }

    /// Brings every state to the run there is now.
    private func advance() {
        let time = now()
        for kind in ProbeState.Kind.allCases {
            for (key, _) in states where key.kind == kind { _ = step(key, time) }
        }
    }

    private func step(_ key: Key, _ time: Timestamp) -> ProbeState.Step {
        var run = runs[key.container]
        let startup = states[Key(container: key.container, kind: .startup)]
        if let id = run?.id, let startup, key.kind != .startup, startup.containerID != id || !startup.isGood {
            run?.hasStarted = false
        }
        let old = run.flatMap { known[$0.id] }
        let was = old.map { key.kind == .startup ? $0.started == true : $0.ready }
        return states[key]?.step(run, now: time, known: was, spread: .random(in: 0..<1)) ?? .rest
    }

    private var findings: Findings {
        var findings = Findings()
        for (key, state) in states {
            let isCurrent = state.containerID != nil && state.containerID == runs[key.container]?.id
            switch key.kind {
            case .readiness: findings.readiness[key.container] = isCurrent && state.isGood
            case .startup: findings.startup[key.container] = isCurrent && state.isGood
            case .liveness: break
            }
            if isCurrent, !isEnding, let id = state.failedRun {
                findings.failed[id] = .init(kind: key.kind, grace: state.probe.terminationGracePeriodSeconds)
            }
        }
        return findings
    }

    /// Asks until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await _ in wakes {
                let time = now()
                var first: Timestamp?
                for key in states.keys where !busy.contains(key) && (!isEnding || key.kind == .readiness) {
                    switch step(key, time) {
                    case .rest: break
                    case .wait(let until): first = min(first ?? until, until)
                    case .probe:
                        busy.insert(key)
                        group.addTask { await self.probe(key) }
                    }
                }
                schedule(first, time)
            }
            group.cancelAll()
        }
        timer?.cancel()
    }

    private func schedule(_ first: Timestamp?, _ time: Timestamp) {
        timer?.cancel()
        guard let first else { return timer = nil }
        let delay = min(max(.milliseconds(1), first.since(time)), .longest)
        timer = Task { [wake] in
            do { try await Task.sleep(for: delay) } catch { return }
            wake.yield()
        }
    }

    private func probe(_ key: Key) async {
        defer {
            busy.remove(key)
            wake.yield()
        }
        guard let state = states[key], let id = state.containerID,
            let container = pod.spec.allContainers.first(where: { $0.name == key.container })
        else { return }
        let began = now()
        let start = ContinuousClock.now
        let target = HandlerTarget(pod: pod, container: container, containerID: id, address: sandbox)
        let outcome = await prober.probe(state.probe, target, timeout: state.timeout)
        if Task.isCancelled { return }
        let pod = pod
        metrics.probed(pod, key.container, key.kind, outcome, start.duration(to: .now))
        let word = key.kind.rawValue
        switch outcome {
        case .success: break
        case .failure(let text):
            logger.debug("\(word) probe failed: \(text)", metadata: ["container": "\(key.container)"])
            events.record(
                pod, .warning, reason: "Unhealthy", message: "\(word) probe failed: \(text)", container: key.container)
        case .unknown(let text):
            logger.debug("\(word) probe errored: \(text)", metadata: ["container": "\(key.container)"])
            events.record(
                pod, .warning, reason: "Unhealthy",
                message: "\(word) probe errored and resulted in unknown state: \(text)",
                container: key.container)
        }
        if states[key]?.take(outcome, of: id, began: began, now: now()) == true { changed() }
    }
}
