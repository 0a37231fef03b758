import HostFiles
import Proto
import RPC

extension HostService {
    /// Files of pods. Several nodes may keep theirs here: each has a directory of its own.
    func registerVolumes(in router: inout Router) {
        files(HostAPI.HostService.syncVolume, in: &router) { request in
            let volume = request.volume ?? HostAPI.VolumeID()
            let path = try podFiles(volume.nodeName).sync(
                pod: volume.podUid, volume: volume.name, VolumeContent(request))
            return .init { $0.hostPath = path }
        }
        files(HostAPI.HostService.prepareMount, in: &router) { request in
            let volume = request.volume ?? HostAPI.VolumeID()
            let source: MountSource =
                request.hostPath.isEmpty
                ? .volume(volume.name) : .hostPath(request.hostPath, type: request.hostPathType)
            let path = try podFiles(volume.nodeName).mount(
                source, subPath: request.subPath, readOnly: request.readOnly, pod: volume.podUid)
            return .init { $0.hostPath = path }
        }
        files(HostAPI.HostService.volumeUsage, in: &router) { request in
            let uses = try podFiles(request.nodeName).usage(pod: request.podUid)
            return .init { $0.volumes = uses.map(\.message) }
        }
        files(HostAPI.HostService.prepareContainerFiles, in: &router) { request in
            let files = try podFiles(request.nodeName).containerFiles(
                pod: request.podUid, container: request.containerName, attempt: request.attempt,
                hosts: request.setHosts ? String(decoding: request.hosts, as: UTF8.self) : nil)
            return .init {
                $0.hostsPath = files.hosts ?? ""
                $0.terminationMessagePath = files.terminationMessage
            }
        }
        files(HostAPI.HostService.readTerminationMessage, in: &router) { request in
            let message = try podFiles(request.nodeName).terminationMessage(
                pod: request.podUid, container: request.containerName, attempt: request.attempt,
                limit: min(Int(request.limitBytes), 1 << 20))
            return .init { $0.message = message ?? [] }
        }
        files(HostAPI.HostService.listPodData, in: &router) { request in
            let uids = try podFiles(request.nodeName).pods()
            return .init { $0.podUids = uids }
        }
        files(HostAPI.HostService.removePodData, in: &router) { request in
            try podFiles(request.nodeName).remove(pod: request.podUid)
            return .init()
        }
    }

    private func podFiles(_ node: String) throws -> PodFiles {
        PodFiles(root: "\(root)/nodes/" + (try PathComponent.checked(node, "node")))
    }
}

extension VolumeContent {
    fileprivate init(_ request: HostAPI.SyncVolumeRequest) {
        let files = request.files.map { file in
            VolumeContent.File(
                path: file.path, content: file.content, mode: file.mode,
                owner: file.setOwnerUser ? file.ownerUser : nil)
        }
        self.init(
            files: files, directoryMode: request.directoryMode,
            group: request.setOwnerGroup ? request.ownerGroup : nil)
        isWritable = request.writable
        isMemory = request.memoryBacked
        sizeLimit = request.sizeLimitBytes == 0 ? nil : request.sizeLimitBytes
    }
}

extension VolumeUse {
    fileprivate var message: HostAPI.VolumeUse {
        .init {
            $0.name = name
            $0.usedBytes = usedBytes
            $0.inodesUsed = inodesUsed
            $0.capacityBytes = capacityBytes
            $0.availableBytes = availableBytes
            $0.inodes = inodes
            $0.inodesFree = inodesFree
        }
    }
}
