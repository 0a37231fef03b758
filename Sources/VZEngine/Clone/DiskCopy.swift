import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Copies of disks that stay as they are whatever becomes of what they were copied from.
public enum DiskCopy {
    /// Copies a disk that nobody writes to meanwhile: in no time where the file system shares blocks, else what it holds.
    /// - Throws: `VZEngineError` with `exhausted` or `failed`; then there is no copy.
    public static func make(of base: String, at path: String) async throws {
        try await NIOThreadPool.singleton.runIfActive {
            do {
                if try DiskClone.reflink(base, path) { return }
                try contents(of: base, to: path)
            } catch {
                unlink(path)
                throw error
            }
        }
    }
}
