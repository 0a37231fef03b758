import HostFiles
import Proto
import RPC

/// Volumes on the runtime's host, which writes what it is told.
struct RemoteVolumeHost: VolumeHost {
    let host: RemoteHost
    /// What the host says of it cannot be told apart from what it does: a Mac's never keep them.
    var keepsGroups = true

    private typealias Service = HostAPI.HostService

    func sync(pod uid: String, volume name: String, _ content: VolumeContent) async throws(AdapterError) -> String {
        let request = HostAPI.SyncVolumeRequest {
            $0.volume = volume(uid, name)
            $0.files = content.files.map { file in
                .init {
                    $0.path = file.path
                    $0.content = file.content
                    $0.mode = file.mode
                    $0.ownerUser = file.owner ?? 0
                    $0.setOwnerUser = file.owner != nil
                }
            }
            $0.directoryMode = content.directoryMode
            $0.ownerGroup = content.group ?? 0
            $0.setOwnerGroup = content.group != nil
            $0.writable = content.isWritable
            $0.memoryBacked = content.isMemory
            $0.sizeLimitBytes = content.sizeLimit ?? 0
        }
        return try await host.call(Service.syncVolume, request, "write volume \"\(name)\" on the runtime's host")
            .hostPath
    }

    func mount(_ source: MountSource, subPath: String, readOnly: Bool, pod uid: String) async throws(AdapterError)
        -> String
    {
        let request = HostAPI.PrepareMountRequest {
            switch source {
            case .volume(let name): $0.volume = volume(uid, name)
            case .hostPath(let path, let type):
                $0.volume = volume(uid, "")
                $0.hostPath = path
                $0.hostPathType = type
            }
            $0.subPath = subPath
            $0.readOnly = readOnly
        }
        // The wire has no other way to say that there is a host path.
        if case .hostPath("", _) = source {
            throw AdapterError(.invalidArgument, "hostPath \"\" must be an absolute path without \"..\"")
        }
        return try await host.call(Service.prepareMount, request, "prepare a mount on the runtime's host").hostPath
    }

    func usage(pod uid: String) async throws(AdapterError) -> [VolumeUse] {
        let request = HostAPI.VolumeUsageRequest {
            $0.podUid = uid
            $0.nodeName = host.nodeName
        }
        let answer = try await host.call(
            Service.volumeUsage, request, "add up the volumes of pod \(uid)", host.timeouts.long)
        return answer.volumes.map { volume in
            var use = VolumeUse(name: volume.name)
            use.usedBytes = volume.usedBytes
            use.inodesUsed = volume.inodesUsed
            use.capacityBytes = volume.capacityBytes
            use.availableBytes = volume.availableBytes
            use.inodes = volume.inodes
            use.inodesFree = volume.inodesFree
            return use
        }
    }

    func containerFiles(pod uid: String, container: String, attempt: UInt32, hosts: String?) async throws(AdapterError)
        -> ContainerFiles
    {
        let request = HostAPI.PrepareContainerFilesRequest {
            $0.podUid = uid
            $0.nodeName = host.nodeName
            $0.containerName = container
            $0.attempt = attempt
            $0.hosts = Array((hosts ?? "").utf8)
            $0.setHosts = hosts != nil
        }
        let answer = try await host.call(
            Service.prepareContainerFiles, request, "make the files of container \(container) on the runtime's host")
        return ContainerFiles(
            hosts: answer.hostsPath.isEmpty ? nil : answer.hostsPath, terminationMessage: answer.terminationMessagePath)
    }

    func terminationMessage(podUID: String, container: String, attempt: UInt32) async throws(AdapterError) -> String? {
        let request = HostAPI.ReadTerminationMessageRequest {
            $0.podUid = podUID
            $0.nodeName = host.nodeName
            $0.containerName = container
            $0.attempt = attempt
            $0.limitBytes = 4096
        }
        let answer = try await host.call(
            Service.readTerminationMessage, request, "read the last words of container \(container)")
        return answer.message.isEmpty ? nil : String(decoding: answer.message, as: UTF8.self)
    }

    func removePod(uid: String) async throws(AdapterError) {
        let request = HostAPI.RemovePodDataRequest {
            $0.podUid = uid
            $0.nodeName = host.nodeName
        }
        _ = try await host.call(
            Service.removePodData, request, "remove the files of pod \(uid) on the runtime's host", host.timeouts.long)
    }

    func podsWithData() async throws(AdapterError) -> [String] {
        let request = HostAPI.ListPodDataRequest { $0.nodeName = host.nodeName }
        return try await host.call(Service.listPodData, request, "list pods with files on the runtime's host").podUids
    }

    private func volume(_ uid: String, _ name: String) -> HostAPI.VolumeID {
        .init {
            $0.podUid = uid
            $0.name = name
            $0.nodeName = host.nodeName
        }
    }
}
