import NIOPosix

/// Copies of disks that stay as they are whatever becomes of what they were copied from.
public enum DiskCopy {
    /// Copies a disk that nobody writes to meanwhile: in no time where the file system shares blocks, else what it holds.
    /// - Throws: `VZEngineError` with `exhausted` or `failed`; then there is no copy, and what was at `path` before is there
    ///   still.
    public static func make(of base: String, at path: String, sharing: BlockSharing = .system) async throws {
        try await NIOThreadPool.singleton.runIfActive {
            if try !sharing.share(base, path) { try contents(of: base, to: path) }
        }
    }
}
