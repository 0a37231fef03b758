import KubeAPI
import Proto

extension StatusInput {
    /// The status of one container (kubelet `convertToAPIContainerStatuses`).
    func containerStatus(_ container: Container, isInit: Bool, podHasInit: Bool) -> ContainerStatus {
        let before = (previous?.initContainerStatuses ?? []) + (previous?.containerStatuses ?? [])
        let old = (before + (previous?.ephemeralContainerStatuses ?? [])).first { $0.name == container.name }
        let runs = containers.filter { $0.containerName == container.name }.sorted(by: Self.newestFirst)
        var status: ContainerStatus
        if let newest = runs.first {
            status = converted(newest, container, old)
            if runs.count > 1 {
                let before = converted(runs[1], container, nil).state
                if before.terminated != nil { status.lastState = before }
            } else if let last = old?.lastState, status.restartCount == old?.restartCount {
                // The run before was removed from the runtime, not from history.
                status.lastState = last
            } else if let last = old?.state, last.terminated != nil, old?.containerID != status.containerID {
                status.lastState = last
            }
        } else if let old, old.state.terminated != nil {
            status = old
        } else {
            status = ContainerStatus()
            status.name = container.name
            status.image = container.image
            let reason: WaitingReason = podHasInit ? .podInitializing : .containerCreating
            status.state = .waiting(reason: reason.reason)
            status.restartCount = old?.restartCount ?? 0
            status.lastState = old?.lastState ?? ContainerState()
        }
        if let reason = waiting[container.name], mayStart(container, newest: runs.first, isInit: isInit) {
            if status.state.terminated != nil { status.lastState = status.state }
            status.state = .waiting(reason: reason.reason, message: reason.message)
        }
        settle(&status, container, isInit: isInit)
        return status
    }

    private static func newestFirst(_ left: CRI.ContainerStatus, _ right: CRI.ContainerStatus) -> Bool {
        (left.restartCount, left.createdAt) > (right.restartCount, right.createdAt)
    }

    private func converted(_ run: CRI.ContainerStatus, _ container: Container, _ old: ContainerStatus?)
        -> ContainerStatus
    {
        ContainerStatus {
            $0.name = container.name
            $0.restartCount = run.restartCount
            let image = run.image.map { $0.userSpecifiedImage.isEmpty ? $0.image : $0.userSpecifiedImage } ?? ""
            $0.image = image.isEmpty ? container.image : image
            $0.allocatedResources = (allocated[container.name] ?? container.resources).requests
            $0.resources = actual[container.name] ?? container.resources
            $0.volumeMounts = container.volumeMounts.map { mount in
                VolumeMountStatus {
                    $0.name = mount.name
                    $0.mountPath = mount.mountPath
                    $0.readOnly = mount.readOnly
                    $0.recursiveReadOnly = mount.readOnly ? mount.recursiveReadOnly ?? "Disabled" : nil
                }
            }
            if let user = run.user?.linux {
                $0.user = ContainerUser {
                    $0.linux = ContainerUser.Linux {
                        $0.uid = user.uid
                        $0.gid = user.gid
                        $0.supplementalGroups = user.supplementalGroups
                    }
                }
            }
            $0.imageID = run.imageRef.isEmpty ? run.imageId : run.imageRef
            $0.containerID = id(run)
            switch run.state {
            case .containerRunning:
                $0.state.running = .init { $0.startedAt = time(run.startedAt) }
            case .containerExited: $0.state.terminated = terminated(run)
            case .containerCreated: $0.state.waiting = .init { $0.reason = WaitingReason.containerCreating.reason }
            default:
                guard old?.state.running != nil else {
                    $0.state.waiting = .init { $0.reason = WaitingReason.containerCreating.reason }
                    return
                }
                $0.state.terminated = .init {
                    $0.reason = "ContainerStatusUnknown"
                    $0.message = "The container could not be located when the pod was terminated"
                    $0.exitCode = 137
                    $0.containerID = id(run)
                }
            }
        }
    }

    private func terminated(_ run: CRI.ContainerStatus) -> ContainerState.Terminated {
        .init {
            $0.exitCode = run.exitCode
            $0.reason = run.reason.isEmpty ? (run.exitCode == 0 ? "Completed" : "Error") : run.reason
            $0.message = terminationMessages[run.id] ?? run.message
            $0.startedAt = time(run.startedAt)
            $0.finishedAt = time(run.finishedAt)
            $0.containerID = id(run)
        }
    }

    private func id(_ run: CRI.ContainerStatus) -> String {
        // Of a pod that only wants its images nothing runs.
        runtimeName.isEmpty || run.id.isEmpty ? run.id : "\(runtimeName)://\(run.id)"
    }

    private func time(_ nanoseconds: Int64) -> Timestamp? {
        nanoseconds > 0 ? Timestamp(nanosecondsSince1970: nanoseconds) : nil
    }

    /// Whether a container could be started (again): only then is it waiting (kubelet `ShouldContainerBeRestarted`).
    private func mayStart(_ container: Container, newest: CRI.ContainerStatus?, isInit: Bool) -> Bool {
        if terminating || failure != nil { return false }
        guard let newest else { return true }
        if newest.state == .containerRunning { return false }
        guard newest.state == .containerExited else { return true }
        // A container that ended in an older sandbox is started again with the new one, unless it is done.
        return pod.restarts(container, after: newest.exitCode, isInit: isInit)
    }

    /// `ready` and `started` from the state and the probes.
    private func settle(_ status: inout ContainerStatus, _ container: Container, isInit: Bool) {
        let running = status.state.running != nil
        let started = running && startup[container.name] ?? true
        status.started = started
        if isInit, !container.isSidecar {
            status.ready = status.state.terminated?.exitCode == 0
            return
        }
        status.ready = started && readiness[container.name] ?? true
    }
}
