#if canImport(Darwin)
import Darwin

extension ProcessUsage {
    /// What one tick of the times below is, in nanoseconds.
    private static let tick: (numerator: UInt64, denominator: UInt64) = {
        var info = mach_timebase_info_data_t()
        mach_timebase_info(&info)
        return (UInt64(max(1, info.numer)), UInt64(max(1, info.denom)))
    }()

    /// nil when there is no such process, or it is not ours to look at.
    static func of(_ id: Int32) throws -> ProcessUsage? {
        var info = rusage_info_v2()
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: rusage_info_t?.self, capacity: 1) { proc_pid_rusage(id, RUSAGE_INFO_V2, $0) }
        }
        guard result == 0 else { return nil }
        var usage = ProcessUsage()
        let ticks = info.ri_user_time + info.ri_system_time
        usage.processorNanoseconds = ticks / tick.denominator * tick.numerator
        usage.ownBytes = info.ri_phys_footprint
        usage.fileBytes =
            info.ri_resident_size > info.ri_phys_footprint ? info.ri_resident_size - info.ri_phys_footprint : 0
        usage.majorPageFaults = info.ri_pageins
        usage.pageFaults = info.ri_pageins
        return usage
    }
}
#endif
