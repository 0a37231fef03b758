/// Durations as Go prints them, to the millisecond: `523ms`, `1.5s`, `1m1.2s`.
enum GoDuration {
    static func text(_ duration: Duration) -> String {
        let (seconds, rest) = duration.components
        let milliseconds = max(0, seconds * 1000 + rest / 1_000_000_000_000_000)
        if milliseconds < 1000 { return milliseconds == 0 ? "0s" : "\(milliseconds)ms" }
        let hours = milliseconds / 3_600_000
        let minutes = milliseconds / 60_000 % 60
        var text = hours > 0 ? "\(hours)h\(minutes)m" : minutes > 0 ? "\(minutes)m" : ""
        text += "\(milliseconds / 1000 % 60)"
        var fraction = milliseconds % 1000
        if fraction > 0 {
            var digits = 3
            while fraction % 10 == 0 {
                fraction /= 10
                digits -= 1
            }
            let number = "\(fraction)"
            text += "." + String(repeating: "0", count: digits - number.count) + number
        }
        return text + "s"
    }
}
