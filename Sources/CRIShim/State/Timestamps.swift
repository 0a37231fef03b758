#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Times as the CRI has them: nanoseconds since 1970.
enum Timestamps {
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Reads RFC 3339 with up to nine fractional digits, for example `2026-11-21T04:51:07.123456789Z`. 0 for Docker's zero
    /// time (year 1) and for text that is no time.
    static func parse(_ text: String) -> Int64 {
        var bytes = text.utf8[...]
        func number(_ digits: Int) -> Int64? {
            guard bytes.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in bytes.prefix(digits) {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            bytes = bytes.dropFirst(digits)
            return value
        }
        func skip(_ allowed: String) -> Bool {
            guard let byte = bytes.first, allowed.utf8.contains(byte) else { return false }
            bytes = bytes.dropFirst()
            return true
        }
        guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2), skip("Tt "),
            let hour = number(2), skip(":"), let minute = number(2), skip(":"), let second = number(2),
            year > 1, (1...12).contains(month)
        else { return 0 }
        var nanoseconds: Int64 = 0
        if skip(".") {
            var scale: Int64 = 100_000_000
            while let digit = number(1) {
                nanoseconds += digit * scale
                scale /= 10
            }
        }
        var offset: Int64 = 0
        if !skip("Zz") {
            let sign: Int64 = bytes.first == UInt8(ascii: "-") ? -1 : 1
            guard skip("+-"), let hours = number(2), skip(":"), let minutes = number(2) else { return 0 }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        return (days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset) * 1_000_000_000
            + nanoseconds
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
