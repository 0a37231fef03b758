/// How much room is left for machines' disks. What was left once is not entered again by the next few bytes.
enum DiskLevel: String, Sendable, Hashable {
    case ample
    /// No more machines are made.
    case low
    /// Those that run are paused, before the disk is full and what they write is lost.
    case critical

    /// - Parameters:
    ///   - free: what anybody may still write, in bytes;
    ///   - reserve: what is to be kept; 0 is no limit.
    func next(free: UInt64, reserve: UInt64) -> DiskLevel {
        guard reserve > 0 else { return .ample }
        let critical = reserve / 5
        // To be left, a level wants more than what it was entered at.
        if free < critical || self == .critical && free < critical * 2 { return .critical }
        if free < reserve || self != .ample && free < reserve + reserve / 10 { return .low }
        return .ample
    }
}

/// What is known of the disk that machines are on.
struct DiskState: Sendable, Hashable {
    var level = DiskLevel.ample
    var freeBytes: UInt64 = 0
    var reserveBytes: UInt64 = 0
    /// Why it cannot be looked at; nothing is refused then.
    var problem: String?
}
