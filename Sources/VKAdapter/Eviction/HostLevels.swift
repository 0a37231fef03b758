import HostFiles
import NIOPosix
import Proto
import RPC

/// What is left of memory and disks on the host of the runtime: as its host service tells it, else as this machine does.
struct HostLevels: Sendable {
    let provider: CRIProvider
    /// The runtime's host is another machine: what this one has is of no use.
    let isRemote: Bool
    let memory: UInt64
    /// A directory of the file system pods' files are on.
    let root: String
    var pool: NIOThreadPool = .singleton
    var patience: Duration = .seconds(10)

    /// What nobody can tell is absent.
    func levels() async throws -> [EvictionSignal: EvictionLevel] {
        do {
            return try await told()
        } catch let error as AdapterError where error.code == .unimplemented {
            return isRemote ? [:] : try await own()
        }
    }

    /// Of the disk the images are on; `nil` where nobody can tell.
    func imageDisk() async throws -> DiskSpace? {
        let levels = try await levels()
        guard let level = levels[.imageDisk] ?? levels[.nodeDisk] else { return nil }
        return DiskSpace(capacity: level.capacity, available: level.available)
    }

    /// The first report of the host.
    private func told() async throws -> [EvictionSignal: EvictionLevel] {
        let report: HostAPI.HostStats?
        do {
            let stream = try provider.client.stream(
                HostAPI.HostService.watchHostStats, .init { $0.intervalSeconds = 3600 }, timeout: patience)
            var first: HostAPI.HostStats?
            for try await stats in stream {
                first = stats
                break
            }
            report = first
        } catch {
            throw provider.adapterError(error, "learn what the runtime's host has left")
        }
        guard let report else {
            throw AdapterError(.unavailable, "the runtime's host told nothing of what it has left")
        }
        var levels: [EvictionSignal: EvictionLevel] = [:]
        levels[.memory] = EvictionLevel(capacity: memory, available: report.memoryAvailableBytes)
        levels[.processes] = Self.processes(report.processes, of: report.processLimit)
        for system in report.fileSystems {
            let bytes = EvictionLevel(capacity: system.capacityBytes, available: system.availableBytes)
            let inodes = EvictionLevel(capacity: system.inodes, available: system.inodesFree)
            switch system.name {
            case "nodefs":
                levels[.nodeDisk] = bytes
                levels[.nodeInodes] = inodes
            case "imagefs":
                levels[.imageDisk] = bytes
                levels[.imageInodes] = inodes
            default: break
            }
        }
        return levels
    }

    private static func processes(_ count: UInt64, of limit: UInt64) -> EvictionLevel? {
        limit > 0 ? EvictionLevel(capacity: limit, available: limit - min(limit, count)) : nil
    }

    /// What this machine has. An engine in a machine of its own says where it keeps images there: that is nowhere here.
    private func own() async throws -> [EvictionSignal: EvictionLevel] {
        let images = try await provider.imageMountPoint()
        let (memory, root) = (memory, root)
        return try await pool.runIfActive {
            var levels: [EvictionSignal: EvictionLevel] = [:]
            let usage = try HostUsage.current()
            levels[.memory] = EvictionLevel(capacity: memory, available: usage.memoryAvailableBytes)
            levels[.processes] = Self.processes(usage.processes, of: usage.processLimit)
            let own = try FileSystemSpace(path: root)
            levels[.nodeDisk] = EvictionLevel(capacity: own.capacityBytes, available: own.availableBytes)
            levels[.nodeInodes] = EvictionLevel(capacity: own.inodes, available: own.inodesFree)
            if let images, try SystemFiles.status(images) != nil {
                let space = try FileSystemSpace(path: images)
                levels[.imageDisk] = EvictionLevel(capacity: space.capacityBytes, available: space.availableBytes)
                levels[.imageInodes] = EvictionLevel(capacity: space.inodes, available: space.inodesFree)
            }
            return levels
        }
    }
}

extension CRIProvider {
    func imageMountPoint() async throws -> String? {
        let info = try await call(CRI.ImageService.imageFsInfo, .init(), "learn where images are kept")
        let path = info.imageFilesystems.first?.fsId?.mountpoint ?? ""
        return path.isEmpty ? nil : path
    }

    /// What the containers of each pod of this node take, by UID and name.
    func podUsage() async throws -> [String: [String: EvictionCandidate.Usage]] {
        let stats = try await call(
            CRI.RuntimeService.listContainerStats,
            .init { request in request.filter = .init { $0.labelSelector = [Self.nodeLabel: nodeName] } },
            "learn what containers use"
        ).stats
        var usage: [String: [String: EvictionCandidate.Usage]] = [:]
        for container in stats {
            let labels = container.attributes?.labels ?? [:]
            guard let uid = KubeletIdentity(labels: labels)?.podUID, let name = labels[KubeletLabel.containerName]
            else { continue }
            usage[uid, default: [:]][name, default: EvictionCandidate.Usage()].memory &+=
                container.memory?.workingSetBytes?.value ?? 0
            usage[uid, default: [:]][name, default: EvictionCandidate.Usage()].disk &+=
                container.writableLayer?.usedBytes?.value ?? 0
        }
        return usage
    }
}
