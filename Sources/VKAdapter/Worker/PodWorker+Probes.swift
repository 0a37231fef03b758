import KubeAPI
import Proto

extension PodWorker {
    /// Tells the probes what runs, and learns what they have found.
    func askProbes() async {
        guard let probes else { return }
        let sandbox = observed.sandbox?.id
        var running: [String: ProbeState.Run] = [:]
        for run in observed.containers where run.isRunning && run.sandboxID == sandbox && running[run.name] == nil {
            running[run.name] = ProbeState.Run(
                id: run.id, startedAt: Timestamp(nanosecondsSince1970: run.status.startedAt),
                hasStarted: hooking[run.name] == nil, isBooting: isBooting(run))
        }
        findings = await probes.look(
            pod, address, running: running, known: known, isEnding: isRemoving || failure != nil)
    }

    /// How long a machine may take until somebody reaches it.
    private static let longestBoot: Duration = .seconds(300)

    /// Whether a run is a machine that nobody has reached yet; after a while it counts as one that nobody ever will.
    private func isBooting(_ run: ObservedContainer) -> Bool {
        if memory[run.id]?.isReached == true { return false }
        let isMachine = observed.sandbox?.annotations[RuntimePlan.Annotation.kind] == RuntimePlan.Kind.vm.rawValue
        let wasUp = known[run.id]?.ready == true
        let age = context.now().since(Timestamp(nanosecondsSince1970: run.status.startedAt))
        if context.guests.isReady(run.id, isMachine: isMachine, wasReady: wasUp) == false, age < Self.longestBoot {
            return true
        }
        memory[run.id, default: RunMemory()].isReached = true
        return false
    }

    /// Where the pod's ports are.
    var address: PodAddress {
        let own = pod.spec.hostNetwork ? context.mapping.hostIPs.first : nil
        return PodAddress(ip: observed.ips.first ?? own ?? "", sandboxID: observed.sandbox?.id ?? "")
    }

    /// What is known of containers beside what the runtime says.
    var facts: ContainerFacts {
        var facts = ContainerFacts()
        facts.starting = Set(hooking.keys).union(findings.startup.filter { !$0.value }.keys)
        facts.failed = findings.failed
        facts.endGrace = endGrace
        for run in observed.containers where run.isRunning && run.sandboxID == observed.sandbox?.id {
            guard let container = container(run.name), let restart = resizes.needsRestart(container) else { continue }
            facts.resized[run.id] = restart
        }
        return facts
    }
}
