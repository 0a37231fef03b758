import KubeAPI
import Logging
import Proto

extension PodWorker {
    /// Runs the postStart hook of a container that was started just now; where it fails the container is stopped.
    func postStart(_ hook: LifecycleHandler, _ container: Container, id: String) async throws {
        guard let handlers = context.handlers else { return }
        observed = try await context.provider.observe(podUID: uid)
        let limit = try await isMachine(container) ? context.postStartTimeout : nil
        let target = HandlerTarget(pod: pod, container: container, containerID: id, address: address)
        do {
            if limit != nil { try await waitForGuest(id, container) }
            try await handlers.run(hook, target, limit: limit)
        } catch let failure as HookFailure {
            logger.error("\(failure)", metadata: ["container": "\(container.name)"])
            context.events.record(
                pod, .warning, reason: "FailedPostStartHook", message: "\(failure)", container: container.name)
            try await stop(id, container.name, grace: grace, why: "FailedPostStartHook", isRestart: false)
            throw StartFailure(.postStartHookError("\(failure)"), failure)
        }
    }

    /// A machine starts long before its guest takes commands: that time is none of its hook's. How long a guest may boot is
    /// the runtime's to say.
    private func waitForGuest(_ id: String, _ container: Container) async throws {
        do {
            _ = try await context.provider.execSync(id, ["true"], timeout: nil)
        } catch {
            try Task.checkCancellation()
            throw HookFailure(
                description: "postStart hook for Container \"\(container.name)\" cannot be run - error: \(error)")
        }
    }

    /// Seconds containers get to end, as the pod has it.
    private var grace: Int64 {
        max(2, pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30)
    }

    /// Whether a container is a virtual machine.
    private func isMachine(_ container: Container) async throws -> Bool {
        switch observed.sandbox?.annotations[RuntimePlan.Annotation.kind] {
        case RuntimePlan.Kind.vm.rawValue: true
        case RuntimePlan.Kind.hybrid.rawValue: try await context.provider.classify(image: container.image) == .vm
        default: false
        }
    }

    /// Ends a run of a container: its preStop hook first, whose time is part of the grace period.
    /// - Parameters:
    ///   - grace: seconds.
    ///   - isRestart: it is ended for another to take its place.
    func stop(_ id: String, _ name: String, grace: Int64, why: String, isRestart: Bool? = nil) async throws {
        if isRestart ?? !(isRemoving || failure != nil) { backoff.stoppedForRestart(id: id) }
        if memory[id]?.isEndTold != true {
            memory[id, default: RunMemory()].isEndTold = true
            logger.info("stopping container: \(why)", metadata: ["container": "\(name)"])
            tell(.normal, "Killing", why, container: name)
        }
        let order = isRestart == nil ? terminationOrder() : nil
        let start = ContinuousClock.now
        let given: Duration = pod.metadata.deletionGracePeriodSeconds == 0 ? .zero : .written(seconds: grace)
        if given > .zero, memory[id]?.hasPreStopped != true {
            memory[id, default: RunMemory()].hasPreStopped = true
            await preStop(id, name, limit: given)
        }
        await order?.wait(name, atMost: given - (.now - start))
        try Task.checkCancellation()
        let rest = given - (.now - start)
        try await context.provider.stopContainer(id, grace: max(2, Int64((rest / .seconds(1)).rounded())))
        order?.ended(name)
    }

    /// The order in which the pod's containers end; `nil` where one of them ends for itself.
    private func terminationOrder() -> TerminationOrder? {
        guard isEnding else { return nil }
        let order = ending ?? TerminationOrder(pod, running: Set(observed.containers.filter(\.isRunning).map(\.name)))
        ending = order
        return order
    }

    private func preStop(_ id: String, _ name: String, limit: Duration) async {
        guard let handlers = context.handlers, let run = observed.containers.first(where: { $0.id == id }),
            run.isRunning
        else { return }
        var container = container(name) ?? Container { $0.name = name }
        // Of a pod whose specification is gone the runtime remembers the hook.
        if self.container(name) == nil { container.lifecycle = rememberedLifecycle(run) }
        guard let hook = container.lifecycle?.preStop else { return }
        let target = HandlerTarget(pod: pod, container: container, containerID: id, address: address)
        do {
            try await handlers.run(hook, target, limit: limit)
        } catch {
            if Task.isCancelled { return }
            logger.warning("\(error)", metadata: ["container": "\(name)"])
            context.events.record(pod, .warning, reason: "FailedPreStopHook", message: "\(error)", container: name)
        }
    }

    private func rememberedLifecycle(_ run: ObservedContainer) -> Lifecycle? {
        guard let text = run.status.annotations[KubeletAnnotation.preStopHandler] else { return nil }
        do {
            let handler = try LifecycleHandler(Value(json: Array(text.utf8)))
            return Lifecycle { $0.preStop = handler }
        } catch {
            logger.warning("cannot read the preStop hook of container \(run.name): \(error)")
            return nil
        }
    }
}
