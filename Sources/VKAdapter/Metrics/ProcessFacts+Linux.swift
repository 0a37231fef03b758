#if os(Linux)
import Glibc
import HostFiles

extension ProcessFacts {
    static let whole = __rusage_who_t(RUSAGE_SELF.rawValue)
    static let fileLimit = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    mutating func readMemory() {
        guard let bytes = try? SmallFile.read("/proc/self/statm", limit: 4096) else { return }
        let pages = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { UInt64($0) }
        guard pages.count >= 2 else { return }
        let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        virtualBytes = pages[0] * page
        residentBytes = pages[1] * page
    }

    static func descriptors() -> Int? { try? Directories.names("/proc/self/fd").count }
}
#endif
