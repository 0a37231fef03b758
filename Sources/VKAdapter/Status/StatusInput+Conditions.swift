import KubeAPI
import Proto

extension StatusInput {
    private struct Finding {
        var isTrue: Bool
        var reason = ""
        var message = ""
    }

    /// The five conditions the kubelet writes, in its order, then those somebody else wrote.
    func conditions(phase: PodPhase, _ initStatuses: [ContainerStatus], _ statuses: [ContainerStatus])
        -> [PodCondition]
    {
        let containersReady = containersReady(phase, initStatuses, statuses)
        var own = [
            condition(.readyToStartContainers, readyToStart),
            condition(.initialized, initialized(phase, initStatuses, statuses)),
            condition(.ready, ready(containersReady)),
            condition(.containersReady, containersReady),
            condition(.scheduled, Finding(isTrue: true)),
        ]
        if let reason = resizePending {
            own.append(
                condition(.resizePending, Finding(isTrue: true, reason: reason.reason, message: reason.message)))
        }
        if let reason = resizeInProgress {
            own.append(
                condition(.resizeInProgress, Finding(isTrue: true, reason: reason.reason, message: reason.message)))
        }
        if let words = failure?.disruption {
            own.append(
                condition(.disruptionTarget, Finding(isTrue: true, reason: Self.terminated, message: words)))
        }
        return own + foreign.filter { other in !own.contains { $0.type == other.type } }
    }

    /// The reason of a pod the node has ended.
    static let terminated = "TerminationByKubelet"

    /// What others say of the pod, as the API server has it now; as it was, where there is none to ask.
    private var foreign: [PodCondition] {
        let all = pod.status.conditions.isEmpty ? previous?.conditions ?? [] : pod.status.conditions
        return all.filter { !StatusWriter.ownConditions.contains($0.type) }
    }

    private func condition(_ type: PodCondition.Kind, _ finding: Finding) -> PodCondition {
        PodCondition {
            $0.type = type
            $0.status = finding.isTrue ? "True" : "False"
            $0.reason = finding.reason
            $0.message = finding.message
            let old = previous?.condition(type)
            $0.observedGeneration = pod.metadata.generation
            $0.lastTransitionTime = old?.status == $0.status ? old?.lastTransitionTime ?? now : now
        }
    }

    private var readyToStart: Finding {
        if sandboxIsReady { return Finding(isTrue: true) }
        // Why there is none, where others are to blame.
        guard let reason = waiting[""], reason.reason == WaitingReason.noSlot else { return Finding(isTrue: false) }
        return Finding(isTrue: false, reason: reason.reason, message: reason.message)
    }

    private var sandboxIsReady: Bool {
        guard let sandbox, sandbox.state == .sandboxReady else { return false }
        return pod.spec.hostNetwork || sandbox.network?.ip.isEmpty == false
    }

    private func initialized(_ phase: PodPhase, _ initStatuses: [ContainerStatus], _ statuses: [ContainerStatus])
        -> Finding
    {
        if phase == .succeeded { return Finding(isTrue: true, reason: "PodCompleted") }
        if Self.anyHasStarted(statuses) { return Finding(isTrue: true) }
        let open = zip(pod.spec.initContainers, initStatuses)
            .filter { container, status in !(container.isSidecar ? status.started == true : status.ready) }
            .map(\.0.name)
        if open.isEmpty { return Finding(isTrue: true) }
        return Finding(
            isTrue: false, reason: "ContainersNotInitialized",
            message: "containers with incomplete status: [\(open.joined(separator: " "))]")
    }

    private func containersReady(
        _ phase: PodPhase, _ initStatuses: [ContainerStatus], _ statuses: [ContainerStatus]
    ) -> Finding {
        if phase == .succeeded { return Finding(isTrue: false, reason: "PodCompleted") }
        if phase == .failed { return Finding(isTrue: false, reason: "PodFailed") }
        let sidecars = zip(pod.spec.initContainers, initStatuses).filter(\.0.isSidecar).map(\.1)
        let open = (sidecars + statuses).filter { !$0.ready }.map(\.name)
        if open.isEmpty { return Finding(isTrue: true) }
        return Finding(
            isTrue: false, reason: "ContainersNotReady",
            message: "containers with unready status: [\(open.joined(separator: " "))]")
    }

    private func ready(_ containersReady: Finding) -> Finding {
        guard containersReady.isTrue else { return containersReady }
        let conditions = foreign
        let missing = pod.spec.readinessGates.compactMap { gate -> String? in
            let name = gate.conditionType
            guard let found = conditions.first(where: { $0.type.rawValue == name }) else {
                return "corresponding condition of pod readiness gate \"\(name)\" does not exist."
            }
            return found.status == "True"
                ? nil : "the status of pod readiness gate \"\(name)\" is not \"True\", but \(found.status)"
        }
        if missing.isEmpty { return Finding(isTrue: true) }
        return Finding(isTrue: false, reason: "ReadinessGatesNotReady", message: missing.joined(separator: ", "))
    }
}
