import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What goes out of the lines that come in. Logs are large: nothing is allocated per line.
struct LogOutput {
    private let options: LogReadOptions
    private var left: Int?
    private var times = LogTimes()
    /// The next entry of the stream begins a line and so gets a time.
    private var startsOutput = true
    private var startsErrors = true

    init(_ options: LogReadOptions) {
        self.options = options
        left = options.limitBytes
    }

    var isFull: Bool { left == 0 }

    /// Takes the whole entries from the front of `bytes`.
    mutating func take(_ bytes: inout ByteBuffer) -> ByteBuffer {
        var out = ByteBuffer()
        // What an entry says of itself is longer than what is put before its text.
        out.reserveCapacity(min(bytes.readableBytes, left ?? .max))
        let taken = bytes.withUnsafeReadableBytes { raw in
            var start = 0
            while !isFull, let end = raw.firstIndex(of: UInt8(ascii: "\n"), from: start) {
                put(UnsafeRawBufferPointer(rebasing: raw[start..<end]), into: &out)
                start = end + 1
            }
            return start
        }
        bytes.moveReaderIndex(forwardBy: taken)
        return out
    }

    private mutating func put(_ entry: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        guard let head = LogHead(entry, &times), head.timestamp >= options.since ?? .min,
            options.stream == nil || head.stream == options.stream
        else { return }
        let before = out.writerIndex
        if options.timestamps, head.stream == .stdout ? startsOutput : startsErrors {
            if head.isPlainTime {
                out.writeBytes(UnsafeRawBufferPointer(rebasing: entry[..<LogTime.length]))
            } else {
                LogTime.append(head.timestamp, to: &out)
            }
            out.writeInteger(UInt8(ascii: " "))
        }
        out.writeBytes(UnsafeRawBufferPointer(rebasing: entry[head.content...]))
        if !head.isPartial { out.writeInteger(UInt8(ascii: "\n")) }
        if head.stream == .stdout { startsOutput = !head.isPartial } else { startsErrors = !head.isPartial }
        guard let left else { return }
        if out.writerIndex - before > left { out.moveWriterIndex(to: before + left) }
        self.left = left - (out.writerIndex - before)
    }
}

/// What stands before the text of an entry; see ``LogLine``.
private struct LogHead {
    let timestamp: Int64
    /// The time is written as it is shown.
    let isPlainTime: Bool
    let stream: LogLine.Stream
    let isPartial: Bool
    /// Where the text begins.
    let content: Int

    init?(_ entry: UnsafeRawBufferPointer, _ times: inout LogTimes) {
        let space = UInt8(ascii: " ")
        guard let first = entry.firstIndex(of: space, from: 0),
            let second = entry.firstIndex(of: space, from: first + 1), second + 1 < entry.count
        else { return nil }
        let name = UnsafeRawBufferPointer(rebasing: entry[(first + 1)..<second])
        if name.isEqual(to: "stdout") {
            stream = .stdout
        } else if name.isEqual(to: "stderr") {
            stream = .stderr
        } else {
            return nil
        }
        // Tags are separated by colons; the first says whether the line goes on.
        let tag = entry[second + 1]
        guard tag == UInt8(ascii: "P") || tag == UInt8(ascii: "F") else { return nil }
        isPartial = tag == UInt8(ascii: "P")
        content = entry.firstIndex(of: space, from: second + 1).map { $0 + 1 } ?? entry.count
        guard let time = times.read(UnsafeRawBufferPointer(rebasing: entry[..<first])) else { return nil }
        (timestamp, isPlainTime) = time
    }
}

/// Reads times, of which most are of the same second as the one before.
private struct LogTimes {
    /// `2006-01-02T15:04:05.`
    private var second: [UInt8] = []
    /// Nanoseconds since 1970 when it began.
    private var start: Int64 = 0

    mutating func read(_ text: UnsafeRawBufferPointer) -> (Int64, isPlain: Bool)? {
        guard text.count == LogTime.length, text[19] == UInt8(ascii: "."), text[29] == UInt8(ascii: "Z"),
            let fraction = Self.fraction(text)
        else { return LogTime.parse(ByteBuffer(bytes: text).readableBytesView).map { ($0, false) } }
        if second.count == 20, second.withUnsafeBytes({ memcmp($0.baseAddress!, text.baseAddress!, 20) == 0 }) {
            return (start + fraction, true)
        }
        guard let time = LogTime.parse(ByteBuffer(bytes: text).readableBytesView) else { return nil }
        second = Array(text[..<20])
        start = time - fraction
        return (time, true)
    }

    /// The nine digits; nil when they are none.
    private static func fraction(_ text: UnsafeRawBufferPointer) -> Int64? {
        var value: Int64 = 0
        for index in 20..<29 {
            let digit = text[index] &- 48
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        guard start < count, let baseAddress, let found = memchr(baseAddress + start, Int32(byte), count - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - baseAddress
    }

    fileprivate func isEqual(to text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
        return memcmp(baseAddress, text.utf8Start, count) == 0
    }
}
