#if canImport(Darwin)
import Darwin

enum ExecutablePath {
    /// The file this process runs, links resolved.
    static func current() -> String {
        var size: UInt32 = 4096
        var bytes = [CChar](repeating: 0, count: Int(size))
        guard _NSGetExecutablePath(&bytes, &size) == 0, let resolved = realpath(bytes, nil) else {
            return CommandLine.arguments.first ?? ""
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
#endif
