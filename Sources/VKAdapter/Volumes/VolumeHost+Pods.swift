import HostFiles
import KubeAPI

extension VolumeHost {
    /// Makes or checks every volume of the pod, before its sandbox is created. Safe to repeat.
    /// - Throws: the text of the kubelet's `FailedMount` event.
    func prepare(_ pod: Pod) async throws(AdapterError) {
        for volume in pod.spec.volumes {
            do throws(AdapterError) {
                switch volume.source {
                case .hostPath:
                    _ = try await mount(source(of: volume), subPath: "", readOnly: true, pod: pod.metadata.uid)
                case .emptyDir:
                    let content = VolumeContent.empty(group: pod.spec.securityContext?.fsGroup)
                    _ = try await sync(pod: pod.metadata.uid, volume: volume.name, content)
                case .unsupported(_, let reason): throw AdapterError(.invalidArgument, reason)
                }
            } catch {
                throw AdapterError(
                    error.code, "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(error.message)",
                    cause: error.cause)
            }
        }
    }

    /// The host paths one run of a container mounts.
    /// - Parameters:
    ///   - subPaths: one per `volumeMounts`, as ``PodMapping/subPaths(_:_:podIPs:_:)`` gives them.
    ///   - hosts: the text of `/etc/hosts`; `nil` when the runtime's own is right.
    /// - Throws: what the kubelet reports as `CreateContainerConfigError`.
    func paths(_ pod: Pod, _ container: Container, attempt: UInt32, subPaths: [String], hosts: String?)
        async throws(AdapterError) -> ContainerPaths
    {
        var paths = ContainerPaths()
        let uid = pod.metadata.uid
        for (index, mount) in container.volumeMounts.enumerated() {
            guard let volume = pod.spec.volumes.first(where: { $0.name == mount.name }) else {
                throw AdapterError(
                    .invalidArgument,
                    "container \(container.name) mounts volume \"\(mount.name)\" the pod does not have")
            }
            if case .emptyDir = volume.source {
                _ = try await sync(pod: uid, volume: volume.name, .empty(group: pod.spec.securityContext?.fsGroup))
            }
            let subPath = subPaths.indices.contains(index) ? subPaths[index] : ""
            paths.volumeMounts.append(
                try await self.mount(source(of: volume), subPath: subPath, readOnly: mount.readOnly, pod: uid))
        }
        let files = try await containerFiles(pod: uid, container: container.name, attempt: attempt, hosts: hosts)
        paths.hosts = files.hosts
        paths.terminationMessage = files.terminationMessage
        return paths
    }

    private func source(of volume: Volume) throws(AdapterError) -> MountSource {
        switch volume.source {
        case .hostPath(let source): return .hostPath(source.path, type: source.type ?? "")
        case .emptyDir: return .volume(volume.name)
        case .unsupported(_, let reason): throw AdapterError(.invalidArgument, reason)
        }
    }
}
