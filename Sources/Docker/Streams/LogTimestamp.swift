import NIOCore

/// The time before each log message: `2006-01-02T15:04:05.000000000Z`, or with `+01:00` in place of the Z where the
/// engine's host keeps another time.
struct LogTimestamp: Equatable {
    /// Nanoseconds since 1970.
    let nanoseconds: Int64
    /// Bytes it takes, the space after it included.
    let length: Int

    static let longest = 36

    /// The time that `bytes` begin with; nil when they begin with something else.
    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        func at(_ offset: Int) -> UInt8? {
            offset < bytes.count ? bytes[bytes.index(bytes.startIndex, offsetBy: offset)] : nil
        }
        func number(_ from: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for offset in from..<(from + count) {
                guard let byte = at(offset), (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        for (offset, byte) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, ".")]
            as [(Int, Unicode.Scalar)]
        {
            guard at(offset) == UInt8(ascii: byte) else { return nil }
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2), let nanosecond = number(20, 9),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }

        var east: Int64 = 0
        switch at(29) {
        case UInt8(ascii: "Z"): length = 31
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard let hours = number(30, 2), at(32) == UInt8(ascii: ":"), let minutes = number(33, 2) else {
                return nil
            }
            east = (hours * 60 + minutes) * 60 * (at(29) == UInt8(ascii: "+") ? 1 : -1)
            length = 36
        default: return nil
        }
        guard at(length - 1) == UInt8(ascii: " ") else { return nil }

        // Days since 1970 of a Gregorian date, with years that begin in March.
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let yearOfEra = shifted % 400
        let days =
            shifted / 400 * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - east
        let (scaled, tooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !tooLarge else { return nil }
        let (sum, overflow) = scaled.addingReportingOverflow(nanosecond)
        guard !overflow else { return nil }
        nanoseconds = sum
    }
}
