/// Which part of a container's log is wanted, and how it is shown.
public struct LogOptions: Sendable, Hashable {
    /// Go on until the container has ended.
    public var follow: Bool
    /// Only the last lines.
    public var tail: Int?
    /// Nanoseconds since 1970; earlier lines are left out.
    public var since: Int64?
    /// Each line begins with its time.
    public var timestamps: Bool

    /// - Parameters:
    ///   - since: a time span before now (`10s`, `5m`, `2h`, `1h30m`) or a time in RFC 3339.
    ///   - now: nanoseconds since 1970.
    /// - Throws: `invalidArgument`.
    public init(follow: Bool, tail: Int?, since: String?, timestamps: Bool, now: Int64) throws(ControlError) {
        if let tail, tail < 0 { throw ControlError(.invalidArgument, "--tail takes the number of lines, not \(tail)") }
        self.follow = follow
        self.tail = tail
        self.timestamps = timestamps
        guard let since else { return }
        guard let time = Self.span(since).map({ now - $0 }) ?? Self.time(since) else {
            throw ControlError(
                .invalidArgument, "--since takes 10s, 5m, 2h or a time like 2006-01-02T15:04:05Z, not \"\(since)\"")
        }
        self.since = time
    }

    /// `1h30m` in nanoseconds.
    static func span(_ text: String) -> Int64? {
        var total: Int64 = 0
        var rest = text[...]
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let number = Int64(digits), number < 1_000_000_000 else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            let seconds: [Substring: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
            guard let one = seconds[unit] else { return nil }
            let (product, over) = (number * one).multipliedReportingOverflow(by: 1_000_000_000)
            let (sum, tooMuch) = total.addingReportingOverflow(product)
            guard !over, !tooMuch else { return nil }
            total = sum
        }
        return total
    }

    /// A time of RFC 3339 in nanoseconds since 1970.
    static func time(_ text: String) -> Int64? {
        let pattern = /(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|([+-])(\d\d):(\d\d))/
        guard let match = text.wholeMatch(of: pattern)?.output, let year = Int64(match.1), let month = Int64(match.2),
            let day = Int64(match.3), let hour = Int64(match.4), let minute = Int64(match.5),
            let second = Int64(match.6),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var seconds = daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        if let sign = match.9, let hours = match.10.flatMap({ Int64($0) }),
            let minutes = match.11.flatMap({ Int64($0) })
        {
            let offset = hours * 3600 + minutes * 60
            seconds += sign == "+" ? -offset : offset
        }
        let fraction = match.7.map { $0 + String(repeating: "0", count: 9 - $0.count) }.flatMap { Int64($0) } ?? 0
        let (nanoseconds, over) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return over ? nil : nanoseconds + fraction
    }

    /// Days from 1970-01-01 in the Gregorian calendar; years begin in March here, so that the leap day is the last.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month > 2 ? year : year - 1
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
