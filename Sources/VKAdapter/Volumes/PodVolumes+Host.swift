import HostFiles
import KubeAPI

extension Volume {
    /// What became of a volume.
    struct Made: Sendable {
        /// What was written; `nil` for a path of the host.
        var content: VolumeContent?
        var claim: ClaimedVolume?
    }
}

extension PodVolumes {
    /// Makes one volume what it should be, or checks that it is there.
    /// - Parameter written: what it is, as far as it is known.
    nonisolated func make(_ volume: Volume, of pod: Pod, written: VolumeContent?) async throws(AdapterError)
        -> Volume.Made
    {
        let uid = pod.metadata.uid
        do {
            var material = VolumeMaterial()
            if let cluster { material = try await cluster.material(for: volume, of: pod) }
            let sources = VolumeSources(pod: pod, context: mapping, material: material, hasCluster: cluster != nil)
            if let content = try sources.content(of: volume) {
                if content != written { _ = try await host.sync(pod: uid, volume: volume.name, content) }
                return Volume.Made(content: content)
            }
            let claim = volume.claimName(of: pod).flatMap { material.claims[$0] }
            let source = try Self.source(of: volume, pod, claim)
            _ = try await host.mount(source, subPath: "", readOnly: true, pod: uid)
            return Volume.Made(claim: claim)
        } catch let error as AdapterError {
            throw error
        } catch {
            throw AdapterError(.unavailable, "the API server cannot say what is in it", cause: error)
        }
    }

    private static func source(of volume: Volume, _ pod: Pod, _ claim: ClaimedVolume?) throws(AdapterError)
        -> MountSource
    {
        if let path = volume.hostPath { return .hostPath(path.path, type: path.type ?? "") }
        guard let name = volume.claimName(of: pod) else { return .volume(volume.name) }
        guard let claim else {
            throw AdapterError(
                .invalidArgument,
                "persistentvolumeclaim \"\(name)\" needs an API server, and there is none in standalone mode: use hostPath"
            )
        }
        return .hostPath(claim.path, type: claim.type)
    }

    /// The host paths one run of a container mounts. The volumes must have been prepared.
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
            let source = try Self.source(of: volume, pod, entries[uid]?.claims[volume.name])
            let subPath = subPaths.indices.contains(index) ? subPaths[index] : ""
            let readOnly = mount.readOnly || volume.isReadOnly(in: pod)
            paths.volumeMounts.append(
                try await host.mount(source, subPath: subPath, readOnly: readOnly, pod: uid))
        }
        let files = try await host.containerFiles(
            pod: uid, container: container.name, attempt: attempt, hosts: hosts)
        paths.hosts = files.hosts
        paths.terminationMessage = files.terminationMessage
        return paths
    }

    // MARK: What the host keeps

    /// What a container wrote to its termination message file; `nil` when it wrote nothing.
    nonisolated func terminationMessage(podUID: String, container: String, attempt: UInt32)
        async throws(AdapterError) -> String?
    {
        try await host.terminationMessage(podUID: podUID, container: container, attempt: attempt)
    }

    /// Removes everything kept for a pod, and keeps nothing up to date any more.
    nonisolated func removePod(uid: String) async throws(AdapterError) {
        await end(uid: uid)
        try await host.removePod(uid: uid)
    }

    /// The UIDs of all pods something is kept for.
    nonisolated func podsWithData() async throws(AdapterError) -> [String] { try await host.podsWithData() }
}
