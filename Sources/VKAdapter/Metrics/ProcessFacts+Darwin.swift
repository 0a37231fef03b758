#if canImport(Darwin)
import Darwin
import HostFiles

extension ProcessFacts {
    static let whole = RUSAGE_SELF
    static let fileLimit = RLIMIT_NOFILE

    mutating func readMemory() {
        var info = rusage_info_v2()
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: rusage_info_t?.self, capacity: 1) {
                proc_pid_rusage(getpid(), RUSAGE_INFO_V2, $0)
            }
        }
        if result == 0 { residentBytes = info.ri_resident_size }
    }

    static func descriptors() -> Int? { try? Directories.names("/dev/fd").count }
}
#endif
