import KubeAPI
import Logging
import Proto

/// Why a container cannot be started, as its status says it.
struct StartFailure: Error {
    var reason: WaitingReason
    /// Whether it waits for its image.
    var pull: (image: String, cause: String)?
    /// Whether its volumes cannot be made, which was told by whoever makes them.
    var isMount = false
    var cause: any Error

    init(_ reason: WaitingReason, _ cause: any Error, pull: (image: String, cause: String)? = nil) {
        self.reason = reason
        self.cause = cause
        self.pull = pull
    }

    /// The volumes cannot be made.
    init(mount error: AdapterError) {
        reason = WaitingReason("ContainerCreating", "\(error)")
        isMount = true
        cause = error
    }
}

extension PodWorker {
    func take(_ action: Action) async throws {
        let provider = context.provider
        switch action {
        case .createSandbox(let attempt, let old): try await createSandbox(attempt, replacing: old)
        case .startContainer(let name, let attempt, let sandbox):
            guard let container = container(name) else { return }
            try await start(container, attempt, sandbox)
            backoff.succeeded(.container(name))
        case .startCreated(let id, let name):
            logger.info("starting the container made before", metadata: ["container": "\(name)"])
            guard let container = container(name) else { return }
            try await start(container, id: id)
            backoff.succeeded(.container(name))
        case .pullImage(let name):
            guard let container = container(name) else { return }
            try await pullImage(of: container)
            backoff.succeeded(.container(name))
        case .stopContainer(let id, let name, let grace, let why):
            try await stop(id, name, grace: grace, why: why)
        case .resize(let id, let name): try await resize(id, name)
        case .removeContainer(let id, let name): try await removeContainer(id, name)
        case .stopSandbox(let id): try await provider.stopSandbox(id)
        case .removeSandbox(let id): try await provider.removeSandbox(id)
        case .wait, .removeData: break
        }
    }

    func container(_ name: String) -> Container? {
        resizes.granted(pod).spec.allContainers.first { $0.name == name }
    }

    /// Remembers that a step failed, and says so.
    /// - Parameter isAway: the runtime is: no fault of the pod, which goes on as soon as it is back.
    func failed(_ action: Action, _ error: any Error, isAway: Bool) {
        if let wait = error as? SlotWait { return waits(wait) }
        let now = context.now()
        let cause = (error as? StartFailure)?.cause ?? error
        if (cause as? AdapterError)?.code == .busy {
            // A call of an adapter that died just now, most likely: the runtime finishes it or takes it back.
            logger.debug("looking again in a second: \(cause)")
            let reason = WaitingReason("ContainerCreating", "\(cause)")
            backoff.failed(action.subject, reason, now: now, after: min(backoff.retry, .seconds(1)))
            return
        }
        if isAway {
            backoff.failed(action.subject, .containerCreating, now: now, after: .milliseconds(500))
            return
        }
        if let failure = error as? StartFailure, failure.isMount {
            logger.error("\(failure.cause)")
            return backoff.mountFailed(action.subject, failure.reason, now: now)
        }
        tellFailure(action, error)
        switch action {
        case .startContainer(let name, _, _), .startCreated(_, let name), .pullImage(let name):
            let failure = error as? StartFailure ?? StartFailure(.runContainerError("\(error)"), error)
            logger.error("\(failure.reason.reason): \(failure.reason.message)", metadata: ["container": "\(name)"])
            if let pull = failure.pull {
                backoff.pullFailed(name, image: pull.image, cause: pull.cause, now: now)
            } else {
                backoff.failed(action.subject, failure.reason, now: now)
            }
        default:
            logger.error("\(error)")
            backoff.failed(action.subject, WaitingReason("ContainerCreating", "\(error)"), now: now)
        }
    }

    // MARK: The sandbox

    private func createSandbox(_ attempt: UInt32, replacing old: String?) async throws {
        let provider = context.provider
        // A pod that waits for its volumes takes nothing of the host: no place of a machine, and nobody's turn.
        try await prepareVolumes()
        if let old {
            logger.info("the sandbox of the pod ended: it gets a new one", metadata: ["sandbox": "\(old)"])
            tell(.normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
            try await provider.stopSandbox(old)
        }
        let plan = try await plan()
        if plan.kind == .container, old == nil, let shortage = context.pool.enter(pod) { return reject(shortage) }
        tellNames()
        let config = PodMapping.sandboxConfig(pod, attempt: attempt, plan: plan.annotations, context.mapping)
        try await context.logs.prepare(config.logDirectory)
        let id = try await runSandbox(config, plan)
        backoff.succeeded(.sandbox)
        logger.info("made sandbox", metadata: ["sandbox": "\(id)", "attempt": "\(attempt)"])
    }

    private func prepareVolumes() async throws(StartFailure) {
        do {
            try await context.volumes.prepare(pod)
            backoff.mounted()
        } catch {
            context.slots.leave(uid)
            throw StartFailure(mount: error)
        }
    }

    /// Which runtime the pod's images ask for.
    func plan() async throws -> RuntimePlan {
        var images: [String: RuntimePlan.ImageRuntime] = [:]
        for container in pod.spec.allContainers where images[container.image] == nil {
            guard let runtime = try await context.provider.classify(image: container.image) else {
                return RuntimePlan(pod, images: nil, context.mapping)
            }
            images[container.image] = runtime
        }
        return RuntimePlan(pod, images: images, context.mapping)
    }

    // MARK: Containers

    private func start(_ container: Container, _ attempt: UInt32, _ sandbox: String) async throws {
        let provider = context.provider
        let before = try await provider.observe(podUID: uid)
        guard let up = before.readySandbox, up.id == sandbox else { return }
        var config = PodMapping.sandboxConfig(
            pod, attempt: up.metadata?.attempt ?? 0, plan: RuntimePlan.annotations(in: up.annotations), context.mapping)
        // As it was made: an edit of the pod since does not make it another sandbox.
        config.labels = up.labels
        config.annotations = up.annotations
        let handler = up.runtimeHandler
        let (imageRef, user) = try await image(of: container, handler: handler, sandbox: config)
        // From here on it counts as a restart.
        if let last = before.newest(container.name), last.status.state == .containerExited {
            backoff.restarted(
                container.name, ended: last.ended,
                remembered: .remembered(attempt: last.attempt, createdAt: last.created, backoff.policy),
                now: context.now())
        }
        let ips = before.ips.isEmpty && pod.spec.hostNetwork ? context.mapping.hostIPs : before.ips
        try await prepareVolumes()
        let containerConfig: CRI.ContainerConfig
        do {
            var mapping = context.mapping
            mapping.objects = try await context.objects?.objects(for: container, of: pod)
            let paths = try await context.volumes.paths(
                pod, container, attempt: attempt,
                subPaths: PodMapping.subPaths(pod, container, podIPs: ips, mapping),
                hosts: PodMapping.hostsFile(
                    pod, podIPs: ips, isHybrid: RuntimePlan.isHybrid(up.annotations), context.mapping))
            containerConfig = try PodMapping.containerConfig(
                pod, container, attempt: attempt, imageRef: imageRef, handler: handler, user: user, podIPs: ips,
                paths: paths, targetID: target(of: container, before), mapping)
            try await context.logs.prepare("\(config.logDirectory)/\(container.name)")
            try tellSkippedVariables(container, podIPs: ips, mapping)
        } catch {
            throw StartFailure(.createContainerConfigError("\(error)"), error)
        }
        resizes.applied(container.name, container.resources)
        let id: String
        do {
            id = try await provider.createContainer(containerConfig, sandboxID: sandbox, sandbox: config)
        } catch {
            throw StartFailure(.createContainerError("\(error)"), error)
        }
        tell(.normal, "Created", "Container created", container: container.name)
        try await start(container, id: id)
        logger.info(
            "started container", metadata: ["container": "\(container.name)", "id": "\(id)", "attempt": "\(attempt)"])
    }

    /// The run of the container whose processes an ephemeral one is to see.
    private func target(of container: Container, _ observed: ObservedPod) throws -> String? {
        let name = container.targetContainerName
        guard !name.isEmpty else { return nil }
        guard let run = observed.current(name), run.isRunning else {
            throw AdapterError(.failed, "target container \(name) does not run")
        }
        return run.id
    }

    private func start(_ container: Container, id: String) async throws {
        // Said before it runs: until the hook is done it has not started.
        let hook = context.handlers == nil ? nil : container.lifecycle?.postStart
        if hook != nil { hooking[container.name] = id }
        do {
            try await context.provider.startContainer(id)
        } catch {
            if (error as? AdapterError)?.code != .unavailable, !Task.isCancelled { backoff.couldNotStart(id: id) }
            throw StartFailure(.runContainerError("\(error)"), error)
        }
        tell(.normal, "Started", "Container started", container: container.name)
        if let hook { try await postStart(hook, container, id: id) }
        hooking[container.name] = nil
    }

    private func removeContainer(_ id: String, _ name: String) async throws {
        let log = try await context.provider.observe(podUID: uid).containers.first { $0.id == id }?.status.logPath
        try await context.provider.removeContainer(id)
        // A removed pod's logs go with its directory.
        guard pod.metadata.deletionTimestamp == nil, let log, !log.isEmpty else { return }
        try await context.logs.remove(log: log)
    }

    /// The runtime has nothing of the pod any more.
    func removeData() async throws {
        try await context.volumes.removePod(uid: uid)
        try await context.logs.remove(podDirectory: PodMapping.logDirectory(pod, context.mapping))
        logger.info("removed pod")
    }
}
