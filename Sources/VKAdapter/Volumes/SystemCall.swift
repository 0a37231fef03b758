import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// File calls on the adapter's own host, with this room's errors. All of it blocks.
enum SystemCall {
    static func failure(_ attempt: String, _ path: String, _ code: Int32 = errno) -> AdapterError {
        AdapterError(.failed, "cannot \(attempt) \(path): \(String(cString: strerror(code)))")
    }

    /// What is at a path, links followed.
    /// - Returns: `nil` when nothing is there.
    static func status(_ path: String) throws(AdapterError) -> stat? {
        try mapped { () throws(HostFilesError) in try SystemFiles.status(path) }
    }

    /// Makes a directory and those above it. One that is there already stays as it is.
    /// - Returns: whether it was made now.
    @discardableResult
    static func makeDirectories(_ path: String, mode: mode_t) throws(AdapterError) -> Bool {
        try mapped { () throws(HostFilesError) in try SystemFiles.makeDirectories(path, mode: mode) }
    }

    /// The path with all links resolved.
    static func realPath(_ path: String) throws(AdapterError) -> String {
        try mapped { () throws(HostFilesError) in try SystemFiles.realPath(path) }
    }

    /// At most `limit` bytes of a regular file; `nil` when nothing is there. A link is not followed.
    static func read(_ path: String, limit: Int) throws(AdapterError) -> [UInt8]? {
        try mapped { () throws(HostFilesError) in try SystemFiles.read(path, limit: limit) }
    }

    /// The same of a file of this machine's administrator: links are followed, and a larger one is refused.
    static func readOwn(_ path: String, limit: Int) throws(AdapterError) -> [UInt8]? {
        try mapped { () throws(HostFilesError) in try SmallFile.read(path, limit: limit) }
    }

    /// Writes a file whole: what is there keeps its inode.
    static func write(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AdapterError) {
        try mapped { () throws(HostFilesError) in try SystemFiles.write(path, bytes, mode: mode) }
    }

    /// Removes a directory with everything in it; nothing there is fine. Links are removed, not followed.
    static func removeTree(_ path: String) throws(AdapterError) {
        try mapped { () throws(HostFilesError) in try SystemFiles.removeTree(path) }
    }

    /// The names in an open directory; the descriptor stays the caller's.
    static func names(in descriptor: Int32, path: String) throws(AdapterError) -> [String] {
        try mapped { () throws(HostFilesError) in try SystemFiles.names(in: descriptor, path: path) }
    }

    private static func mapped<Result>(_ work: () throws(HostFilesError) -> Result) throws(AdapterError) -> Result {
        do {
            return try work()
        } catch {
            throw AdapterError(error)
        }
    }
}

extension AdapterError {
    init(_ error: HostFilesError) {
        let isWrong = error.code == .invalidArgument || error.code == .escapes
        self.init(isWrong ? .invalidArgument : .failed, error.message, cause: error.cause)
    }
}
