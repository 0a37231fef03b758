#if os(Linux)
import Glibc

enum ExecutablePath {
    /// The file this process runs, links resolved.
    static func current() -> String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &bytes, bytes.count - 1)
        guard count > 0 else { return CommandLine.arguments.first ?? "" }
        let path = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // What an upgrade replaced while we run.
        let gone = " (deleted)"
        return path.hasSuffix(gone) ? String(path.dropLast(gone.count)) : path
    }
}
#endif
