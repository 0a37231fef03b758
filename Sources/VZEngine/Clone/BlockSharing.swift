#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// How a file system is asked for a file that shares all its blocks with another one.
public struct BlockSharing: Sendable {
    /// Makes the file, which its owner alone may read and write.
    /// - Returns: false where the file system cannot.
    /// - Throws: `VZEngineError` when it could and did not. In either case nothing is left, and what was at the path before
    ///   is there still.
    let share: @Sendable (_ base: String, _ path: String) throws -> Bool

    init(_ share: @escaping @Sendable (_ base: String, _ path: String) throws -> Bool) { self.share = share }

    /// As macOS has it: one system call, and no file when it fails.
    /// - Parameter call: `clonefile(2)`, or a double of it: 0, or -1 and `errno`.
    public static func clonefile(
        _ call: @escaping @Sendable (_ base: String, _ path: String, _ flags: UInt32) -> Int32
    ) -> BlockSharing {
        BlockSharing { base, path in
            guard call(base, path, 0) == 0 else {
                // Other kinds of file systems, and other volumes.
                if [ENOTSUP, EXDEV].contains(errno) { return false }
                throw VZEngineError.system("clone \(base) to \(path)")
            }
            // The clone of a file that nobody may write to is one too.
            guard chmod(path, 0o600) == 0 else {
                let failure = VZEngineError.system("open the disk \(path)")
                unlink(path)
                throw failure
            }
            return true
        }
    }
}
