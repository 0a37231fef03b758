#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The file an engine on this host keeps for a pause container, and that all containers joined to it have as /etc/hosts.
enum PodHostsFile {
    /// Whether such files of an engine are to be seen from here, and may be written to.
    /// - Parameter directory: the engine's.
    static func canWrite(below directory: String) async -> Bool {
        do {
            return try await RootDirectory.offload { access("\(directory)/containers", W_OK | X_OK) == 0 }
        } catch {
            return false
        }
    }

    /// Adds a line.
    /// - Throws: `ShimError` with `failed`.
    static func append(_ line: String, to holder: SandboxHolder) async throws {
        // What an engine says is a path; that it is the container's is seen by its name.
        guard let path = holder.hostsFile, path.hasSuffix("/containers/\(holder.id)/hosts") else {
            throw ShimError(
                .failed,
                "the container engine keeps /etc/hosts of \(holder.id) at an unknown place: \(holder.hostsFile ?? "")")
        }
        try await RootDirectory.offload {
            let file = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
            guard file >= 0 else { throw RootDirectory.failure("opening \(path)", errno) }
            defer { close(file) }
            let bytes = Array((line + "\n").utf8)
            guard write(file, bytes, bytes.count) == bytes.count else {
                throw RootDirectory.failure("writing to \(path)", errno)
            }
        }
    }
}
