#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A stretch of every day, by the host's clock on the wall; it may go over midnight.
public struct DailyWindow: Sendable, Hashable, CustomStringConvertible {
    /// Minutes after midnight; the end does not belong to it.
    public var start: Int
    public var end: Int
    private static let day = 24 * 60

    /// `01:00-05:00`, `22:30-06:00`; nil for anything else, and for a window without an end.
    public init?(_ text: String) {
        let sides = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.minutes)
        guard sides.count == 2, let start = sides[0], let end = sides[1], start % Self.day != end % Self.day else {
            return nil
        }
        (self.start, self.end) = (start % Self.day, end % Self.day)
    }

    /// `24:00` is midnight as well.
    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2,
            parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hours = Int(parts[0]), let minutes = Int(parts[1]), hours * 60 + minutes <= day, minutes < 60
        else { return nil }
        return hours * 60 + minutes
    }

    public var description: String {
        func text(_ minutes: Int) -> String {
            let (hours, rest) = (minutes / 60, minutes % 60)
            return "\(hours < 10 ? "0" : "")\(hours):\(rest < 10 ? "0" : "")\(rest)"
        }
        return "\(text(start))-\(text(end))"
    }

    /// - Parameter second: of the day, as a clock on the wall shows it.
    func isOpen(at second: Int) -> Bool {
        let minute = second / 60
        return start < end ? (start..<end).contains(minute) : minute >= start || minute < end
    }

    /// Seconds until it opens or closes, if nobody sets the clock until then.
    func untilChange(at second: Int) -> Int {
        let edge = (isOpen(at: second) ? end : start) * 60
        let rest = edge - second
        return rest > 0 ? rest : rest + Self.day * 60
    }

    /// The second of the day that this host's clock shows.
    static func now() -> Int {
        var time = time(nil)
        var parts = tm()
        localtime_r(&time, &parts)
        return Int(parts.tm_hour) * 3600 + Int(parts.tm_min) * 60 + min(59, Int(parts.tm_sec))
    }
}
