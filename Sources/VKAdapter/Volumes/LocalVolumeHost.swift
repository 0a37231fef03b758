import HostFiles
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Volumes on this host, below the adapter's directory.
struct LocalVolumeHost: VolumeHost {
    private let files: PodFiles
    private let work: FileWork
    let keepsGroups: Bool

    /// - Parameters:
    ///   - root: the adapter's directory; made when it is missing.
    ///   - pool: where blocking file calls run.
    init(root: String, pool: NIOThreadPool = .singleton) {
        files = PodFiles(root: root)
        work = FileWork(pool: pool)
        keepsGroups = geteuid() == 0
    }

    func sync(pod uid: String, volume name: String, _ content: VolumeContent) async throws(AdapterError) -> String {
        try await work.run { [files] in try files.sync(pod: uid, volume: name, content) }
    }

    func mount(_ source: MountSource, subPath: String, readOnly: Bool, pod uid: String) async throws(AdapterError)
        -> String
    {
        try await work.run { [files] in try files.mount(source, subPath: subPath, readOnly: readOnly, pod: uid) }
    }

    func usage(pod uid: String) async throws(AdapterError) -> [VolumeUse] {
        try await work.run { [files] in try files.usage(pod: uid) }
    }

    func containerFiles(pod uid: String, container: String, attempt: UInt32, hosts: String?) async throws(AdapterError)
        -> ContainerFiles
    {
        try await work.run { [files] in
            try files.containerFiles(pod: uid, container: container, attempt: attempt, hosts: hosts)
        }
    }

    func terminationMessage(podUID: String, container: String, attempt: UInt32) async throws(AdapterError) -> String? {
        try await work.run { [files] in
            try files.terminationMessage(pod: podUID, container: container, attempt: attempt, limit: 4096)
                .map { String(decoding: $0, as: UTF8.self) }
        }
    }

    func removePod(uid: String) async throws(AdapterError) {
        try await work.run { [files] in try files.remove(pod: uid) }
    }

    func podsWithData() async throws(AdapterError) -> [String] {
        try await work.run { [files] in try files.pods() }
    }
}

/// Runs blocking file calls on threads made for it.
struct FileWork: Sendable {
    var pool: NIOThreadPool = .singleton

    func run<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws(AdapterError) -> Result {
        do {
            return try await pool.runIfActive(work)
        } catch let error as AdapterError {
            throw error
        } catch let error as HostFilesError {
            throw AdapterError(error)
        } catch {
            throw AdapterError(.unavailable, "the file threads are stopped: the adapter is shutting down", cause: error)
        }
    }
}
