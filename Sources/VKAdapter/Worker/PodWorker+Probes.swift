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
                hasStarted: !hooking.contains(run.name))
        }
        findings = await probes.look(
            pod, address, running: running, known: known, isEnding: isRemoving || failure != nil)
    }

    /// Where the pod's ports are.
    var address: PodAddress {
        let own = pod.spec.hostNetwork ? context.mapping.hostIPs.first : nil
        return PodAddress(ip: observed.ips.first ?? own ?? "", sandboxID: observed.sandbox?.id ?? "")
    }

    /// What is known of containers beside what the runtime says.
    var facts: ContainerFacts {
        var facts = ContainerFacts()
        facts.starting = hooking.union(findings.startup.filter { !$0.value }.keys)
        facts.failed = findings.failed
        for run in observed.containers where run.isRunning && run.sandboxID == observed.sandbox?.id {
            guard let container = container(run.name), let restart = resizes.needsRestart(container) else { continue }
            facts.resized[run.id] = restart
        }
        return facts
    }
}
