#if os(Linux)
import Glibc

extension stat {
    /// Seconds since 1970.
    var modified: Int64 { Int64(st_mtim.tv_sec) }
}
#endif
