import KubeAPI
import Proto

/// A pod that only brings its images to the node (annotation ``annotation``): nothing of it runs, so it takes no place of a
/// machine, no network and no volumes. A container whose image is there counts as one that has done its work; with the
/// restart policy `Always`, which a DaemonSet asks for, as one that runs, or its controller would make the pod anew for ever.
struct PullOnly: Sendable {
    /// `"true"` on a pod.
    static let annotation = "vzcri.dev/pull-only"

    /// The containers that stand for running ones.
    private let lasting: Set<String>
    /// What stands for the runs of containers whose image is there, by name.
    private var runs: [String: CRI.ContainerStatus] = [:]

    /// - Returns: nil for other pods.
    init?(_ pod: Pod) {
        guard pod.metadata.annotations[Self.annotation] == "true" else { return nil }
        let isLasting = pod.spec.restartPolicy == .always
        lasting = Set((isLasting ? pod.spec.containers + pod.spec.initContainers.filter(\.isSidecar) : []).map(\.name))
        guard pod.status.startTime != nil else { return }
        // What was told before still holds: nobody sees that the adapter was started again.
        for status in pod.status.initContainerStatuses + pod.status.containerStatuses {
            guard let start = status.state.running?.startedAt ?? status.state.terminated?.startedAt else { continue }
            took(status.name, image: status.image, id: status.imageID, from: start, to: start)
        }
    }

    /// The image of a container is there.
    mutating func took(_ name: String, image: String, id: String, from start: Timestamp, to end: Timestamp) {
        runs[name] = CRI.ContainerStatus {
            $0.metadata = .init { $0.name = name }
            $0.labels = [KubeletLabel.containerName: name]
            $0.image = .init { $0.image = image }
            $0.imageRef = id
            $0.createdAt = start.nanosecondsSince1970
            $0.startedAt = start.nanosecondsSince1970
            $0.finishedAt = end.nanosecondsSince1970
        }
    }

    /// What the pod shows in the place of runs.
    /// - Parameter isEnding: the pod goes.
    func observed(isEnding: Bool) -> ObservedPod {
        ObservedPod(
            containers: runs.map { name, run in
                var run = run
                let isOver = isEnding || !lasting.contains(name)
                run.state = isOver ? .containerExited : .containerRunning
                if !isOver { run.finishedAt = 0 }
                return ObservedContainer(sandboxID: "", status: run)
            })
    }

    /// The pulls that are left to do.
    func actions(
        spec: Pod, backoff: BackOffs, now: Timestamp, busy: Set<Action.Subject>
    ) -> [Action] {
        let planner = Planner(pod: spec, observed: ObservedPod(), backoff: backoff, now: now, busy: busy)
        let missing = (spec.spec.initContainers + spec.spec.containers).filter { runs[$0.name] == nil }
        return planner.held(missing.map { .pullImage(name: $0.name) }).filter { !busy.contains($0.subject) }
    }
}

extension PodWorker {
    /// Brings the image of a container, and does nothing with it.
    func pullImage(of container: Container) async throws {
        let start = context.now()
        let plan = try await plan()
        let sandbox = PodMapping.sandboxConfig(pod, attempt: 0, plan: plan.annotations, context.mapping)
        let (id, _) = try await image(of: container, handler: plan.handler, sandbox: sandbox)
        pulls?.took(container.name, image: container.image, id: id, from: start, to: context.now())
    }
}
