/// The newest entries that were written, by their times: what must be known to go on after a break without losing or
/// repeating one.
///
/// The source hands out entries in one order, but the times of stdout and stderr may cross by a little. To go on, it is
/// asked for everything from a little before the newest time on, and as many entries are skipped as were written with
/// such times: they are the first it hands out.
struct LogWindow: Equatable {
    /// Times cross by less than this, in nanoseconds.
    static let slack: Int64 = 100_000_000

    private(set) var times: [Int64] = []
    private var newest: Int64?

    init(_ times: some Sequence<Int64> = []) {
        for time in times { note(time) }
    }

    mutating func note(_ time: Int64) {
        if time > newest ?? .min { newest = time }
        times.append(time)
        // Not at every entry: that would be quadratic.
        if times.count > 256, times.count > 2 * keptCount { drop() }
        keptCount = max(keptCount, 128)
    }
    private var keptCount = 128

    private mutating func drop() {
        guard let since else { return }
        times.removeAll { $0 < since }
        keptCount = times.count
    }

    /// From which time on the source is asked; nil for the beginning.
    var since: Int64? { newest.map { $0 - Self.slack } }

    /// How many of the entries from `since` on have been written.
    var written: Int { since.map { since in times.count { $0 >= since } } ?? 0 }

    /// Only what matters.
    var trimmed: LogWindow {
        var copy = self
        copy.drop()
        return copy
    }

    static func == (left: Self, right: Self) -> Bool { left.trimmed.times == right.trimmed.times }
}
