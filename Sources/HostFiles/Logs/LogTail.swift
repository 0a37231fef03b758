import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads log files from their end.
enum LogTail {
    private static let block = 64 << 10

    /// Removes what stands behind the last newline: an entry that was not written whole.
    /// - Returns: the size that remains.
    static func cutTornEntry(_ descriptor: Int32, _ size: Int64) throws -> Int64 {
        var end = size
        while end > 0 {
            let start = max(0, end - Int64(block))
            let bytes = try Files.read(descriptor, at: start, count: Int(end - start))
            if let newline = bytes.lastIndex(of: UInt8(ascii: "\n")) {
                end = start + Int64(newline) + 1
                break
            }
            end = start
        }
        if end < size {
            guard ftruncate(descriptor, off_t(end)) == 0 else { throw HostFilesError.system("cut a torn log entry") }
        }
        return end
    }

    /// The times of the entries at the end of a file: at least those a ``LogWindow`` looks at.
    static func times(_ descriptor: Int32, _ size: Int64) throws -> [Int64] {
        var tail: [UInt8] = []
        var start = size
        while start > 0 {
            // Twice as much every time: all of a dense log is looked at a few times, not once per block.
            let begin = max(0, start - Int64(max(block, tail.count)))
            tail = try Files.read(descriptor, at: begin, count: Int(start - begin)) + tail
            start = begin
            let times = parse(tail, isWhole: start == 0)
            // Twice the slack: entries whose times cross at the edge are seen too.
            if let newest = times.max(), let oldest = times.first, newest - oldest > 2 * LogWindow.slack {
                return times
            }
            if start == 0 { return times }
        }
        return []
    }

    private static func parse(_ bytes: [UInt8], isWhole: Bool) -> [Int64] {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        if !isWhole, !lines.isEmpty { lines.removeFirst() }
        return lines.compactMap { line in
            let stamp = line.prefix { $0 != UInt8(ascii: " ") }
            return LogTime.parse(ByteBuffer(bytes: stamp).readableBytesView)
        }
    }
}
