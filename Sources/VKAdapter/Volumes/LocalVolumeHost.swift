import HostFiles
import KubeAPI
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Volumes on this host, laid out as the kubelet does: `ROOT/pods/UID/{volumes,containers,etc-hosts}`.
///
/// An emptyDir of medium Memory is a directory on disk like any other, and size limits are not enforced.
struct LocalVolumeHost: VolumeHost {
    private let root: String
    private let pool: NIOThreadPool

    /// - Parameters:
    ///   - root: the adapter's directory; made when it is missing.
    ///   - pool: where blocking file calls run.
    init(root: String, pool: NIOThreadPool = .singleton) {
        self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
        self.pool = pool
    }

    func prepare(_ pod: Pod) async throws(AdapterError) {
        try await run { () throws(AdapterError) in try preparePodDirectory(pod.metadata.uid) }
        for volume in pod.spec.volumes {
            do throws(AdapterError) {
                try await prepare(volume, of: pod)
            } catch {
                throw AdapterError(
                    error.code, "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(error.message)",
                    cause: error.cause)
            }
        }
    }

    func paths(_ pod: Pod, _ container: Container, attempt: UInt32, subPaths: [String], hosts: String?)
        async throws(AdapterError) -> ContainerPaths
    {
        try await run { () throws(AdapterError) in
            try preparePodDirectory(pod.metadata.uid)
            var paths = ContainerPaths()
            for (index, mount) in container.volumeMounts.enumerated() {
                guard let volume = pod.spec.volumes.first(where: { $0.name == mount.name }) else {
                    throw AdapterError(
                        .invalidArgument,
                        "container \(container.name) mounts volume \"\(mount.name)\" the pod does not have")
                }
                let path = try path(of: volume, pod)
                let subPath = subPaths.indices.contains(index) ? subPaths[index] : ""
                paths.volumeMounts.append(subPath.isEmpty ? path : try SubPath.resolve(subPath, in: path))
            }
            if let hosts {
                let file = try directory(pod.metadata.uid) + "/etc-hosts"
                try SystemCall.write(file, Array(hosts.utf8), mode: 0o644)
                paths.hosts = file
            }
            let file = try messageFile(pod.metadata.uid, container.name, attempt)
            if try SystemCall.status(file) == nil { try SystemCall.write(file, [], mode: 0o666) }
            paths.terminationMessage = file
            return paths
        }
    }

    func terminationMessage(podUID: String, container: String, attempt: UInt32) async throws(AdapterError) -> String? {
        try await run { () throws(AdapterError) in
            let name = try PathComponent.checked(container, "container")
            let file = try directory(podUID) + "/containers/\(name)/\(attempt)"
            guard let bytes = try SystemCall.read(file, limit: 4096), !bytes.isEmpty else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    func removePod(uid: String) async throws(AdapterError) {
        try await run { () throws(AdapterError) in try SystemCall.removeTree(directory(uid)) }
    }

    func podsWithData() async throws(AdapterError) -> [String] {
        try await run { () throws(AdapterError) in
            let pods = root + "/pods"
            let descriptor = open(pods, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else {
                if errno == ENOENT { return [] }
                throw SystemCall.failure("open", pods)
            }
            defer { close(descriptor) }
            return try SystemCall.names(in: descriptor, path: pods).sorted()
        }
    }

    private func directory(_ uid: String) throws(AdapterError) -> String {
        try root + "/pods/" + PathComponent.checked(uid, "pod UID")
    }

    private func preparePodDirectory(_ uid: String) throws(AdapterError) {
        // Others may not even look: what containers write there is theirs.
        try SystemCall.makeDirectories(root + "/pods", mode: 0o750)
        try SystemCall.makeDirectories(directory(uid), mode: 0o750)
    }

    /// The file one run of a container may leave its last words in; its directory is made.
    private func messageFile(_ uid: String, _ container: String, _ attempt: UInt32) throws(AdapterError) -> String {
        let parent = try directory(uid) + "/containers/" + PathComponent.checked(container, "container")
        try SystemCall.makeDirectories(parent, mode: 0o750)
        return "\(parent)/\(attempt)"
    }

    private func path(of volume: Volume, _ pod: Pod) throws(AdapterError) -> String {
        switch volume.source {
        case .hostPath(let source): return source.path
        case .emptyDir: return try emptyDirectory(volume, pod).path
        case .unsupported(_, let reason): throw AdapterError(.invalidArgument, reason)
        }
    }

    private func emptyDirectory(_ volume: Volume, _ pod: Pod) throws(AdapterError) -> VolumeDirectory {
        let name = try PathComponent.checked(volume.name, "volume")
        return VolumeDirectory(
            root: try directory(pod.metadata.uid), relative: "volumes/kubernetes.io~empty-dir/\(name)")
    }

    private func prepare(_ volume: Volume, of pod: Pod) async throws(AdapterError) {
        switch volume.source {
        case .hostPath(let source): try await run { () throws(AdapterError) in try HostPath.prepare(source) }
        case .emptyDir:
            let directory = try emptyDirectory(volume, pod)
            // Only root can give a directory away.
            let group = geteuid() == 0 ? pod.spec.securityContext?.fsGroup : nil
            do {
                try await directory.make(group: group.map { UInt32(clamping: $0) })
            } catch {
                throw AdapterError(.failed, "cannot make the volume's directory", cause: error)
            }
        case .unsupported(_, let reason): throw AdapterError(.invalidArgument, reason)
        }
    }

    /// Runs blocking work on the pool.
    private func run<Result: Sendable>(_ work: @escaping @Sendable () throws(AdapterError) -> Result)
        async throws(AdapterError) -> Result
    {
        do {
            return try await pool.runIfActive(work)
        } catch let error as AdapterError {
            throw error
        } catch {
            throw AdapterError(.unavailable, "the file threads are stopped: the adapter is shutting down", cause: error)
        }
    }
}
