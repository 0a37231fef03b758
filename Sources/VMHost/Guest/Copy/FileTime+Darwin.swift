#if os(macOS)
import Darwin

extension stat {
    /// Seconds since 1970.
    var modified: Int64 { Int64(st_mtimespec.tv_sec) }
}
#endif
