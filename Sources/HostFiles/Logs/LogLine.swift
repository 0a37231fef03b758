public import NIOCore

/// One entry of a CRI log file (Kubernetes CRI logging): `TIME STREAM TAG CONTENT\n`, with the time in RFC 3339 with nine
/// digits, the stream `stdout` or `stderr`, and the tag `P` for a line that goes on in the next entry, else `F`.
public struct LogLine: Sendable, Equatable {
    public enum Stream: String, Sendable {
        case stdout, stderr
    }

    /// Nanoseconds since 1970.
    public var timestamp: Int64
    public var stream: Stream
    public var isPartial: Bool
    public var content: ByteBuffer

    public init(timestamp: Int64, stream: Stream, isPartial: Bool, content: ByteBuffer) {
        self.timestamp = timestamp
        self.stream = stream
        self.isPartial = isPartial
        self.content = content
    }

    func append(to buffer: inout ByteBuffer) {
        LogTime.append(timestamp, to: &buffer)
        buffer.writeStaticString(stream == .stdout ? " stdout " : " stderr ")
        buffer.writeStaticString(isPartial ? "P " : "F ")
        buffer.writeImmutableBuffer(content)
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    /// Reads an entry without its newline; nil for what is none.
    init?(_ line: ByteBuffer) {
        let view = line.readableBytesView
        guard let first = view.firstIndex(of: 0x20), let time = LogTime.parse(view[..<first]) else { return nil }
        let afterTime = view[(first + 1)...]
        guard let second = afterTime.firstIndex(of: 0x20),
            let stream = Stream(rawValue: String(decoding: afterTime[..<second], as: UTF8.self))
        else { return nil }
        let afterStream = afterTime[(second + 1)...]
        // Tags are separated by colons; the first says whether the line goes on.
        let tagEnd = afterStream.firstIndex(of: 0x20) ?? afterStream.endIndex
        guard let tag = afterStream.first, tag == UInt8(ascii: "P") || tag == UInt8(ascii: "F") else { return nil }
        timestamp = time
        self.stream = stream
        isPartial = tag == UInt8(ascii: "P")
        let start = tagEnd == afterStream.endIndex ? tagEnd : tagEnd + 1
        content = line.getSlice(at: start, length: view.endIndex - start) ?? ByteBuffer()
    }
}

/// Times in log files.
public enum LogTime {
    static let length = 30

    /// Writes nanoseconds since 1970 as `2006-01-02T15:04:05.000000000Z`.
    public static func append(_ nanoseconds: Int64, to buffer: inout ByteBuffer) {
        let (seconds, fraction) = nanoseconds.divided(by: 1_000_000_000)
        let (days, second) = seconds.divided(by: 86_400)
        // A Gregorian date from days since 1970, with years that begin in March.
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.divided(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        var text = [UInt8](repeating: UInt8(ascii: "-"), count: length)
        func put(_ value: Int64, at start: Int, digits: Int) {
            var value = value
            for index in stride(from: start + digits - 1, through: start, by: -1) {
                text[index] = UInt8(48 + value % 10)
                value /= 10
            }
        }
        put(year, at: 0, digits: 4)
        put(month, at: 5, digits: 2)
        put(day, at: 8, digits: 2)
        put(second / 3600, at: 11, digits: 2)
        put(second / 60 % 60, at: 14, digits: 2)
        put(second % 60, at: 17, digits: 2)
        put(fraction, at: 20, digits: 9)
        text[10] = UInt8(ascii: "T")
        text[13] = UInt8(ascii: ":")
        text[16] = UInt8(ascii: ":")
        text[19] = UInt8(ascii: ".")
        text[29] = UInt8(ascii: "Z")
        buffer.writeBytes(text)
    }

    /// RFC 3339 in UTC or with an offset, with any number of fractional digits.
    static func parse(_ view: ByteBufferView) -> Int64? {
        let text = Array(view)
        func number(_ from: Int, _ count: Int) -> Int64? {
            guard from + count <= text.count else { return nil }
            var value: Int64 = 0
            for byte in text[from..<from + count] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"), let year = number(0, 4),
            let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2), let minute = number(14, 2),
            let second = number(17, 2), (1...12).contains(month)
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if text[index] == UInt8(ascii: ".") {
            var scale: Int64 = 100_000_000
            index += 1
            while index < text.count, (48...57).contains(text[index]) {
                fraction += Int64(text[index] - 48) * scale
                scale /= 10
                index += 1
            }
        }
        guard index < text.count else { return nil }
        var offset: Int64 = 0
        if text[index] != UInt8(ascii: "Z") {
            guard text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-"),
                let hours = number(index + 1, 2),
                let minutes = number(index + 4, 2)
            else { return nil }
            offset = (hours * 3600 + minutes * 60) * (text[index] == UInt8(ascii: "-") ? -1 : 1)
        }
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days =
            shifted / 400 * 146_097 + shifted % 400 * 365 + shifted % 400 / 4 - shifted % 400 / 100 + dayOfYear
            - 719_468
        return (days * 86_400 + hour * 3600 + minute * 60 + second - offset) * 1_000_000_000 + fraction
    }
}

extension Int64 {
    /// Quotient and remainder of a division that rounds down.
    fileprivate func divided(by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
