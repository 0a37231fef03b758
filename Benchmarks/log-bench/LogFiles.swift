import HostFiles
import Measuring
import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A container's log, what comes out of it, and what comes out of it with times.
struct LogFiles: Sendable {
    let log: String
    let plain: String
    let timed: String
    let plainBytes: Int
    let timedBytes: Int

    /// Lines of 20 to 180 characters, as programs write them; every tenth goes to standard error.
    /// - Parameter bytes: of the log, about.
    init(in directory: String, bytes: Int) throws {
        (log, plain, timed) = (directory + "/0.log", directory + "/plain", directory + "/timed")
        let (entries, text, withTimes) = (try Output(log), try Output(plain), try Output(timed))
        let words = String(repeating: "GET /api/v1/things/42 200 0.013s ", count: 6)
        var (written, number) = (0, 0)
        while written < bytes {
            var time = ByteBuffer()
            LogTime.append(1_700_000_000_000_000_000 + Int64(number) * 1_234_567, to: &time)
            let line = String(words.utf8.prefix(20 + number * 37 % 160))! + "\n"
            let stamp = String(buffer: time)
            written += try entries.write("\(stamp) \(number % 10 == 9 ? "stderr" : "stdout") F \(line)")
            try text.write(line)
            try withTimes.write("\(stamp) \(line)")
            number += 1
        }
        for output in [entries, text, withTimes] { try output.close() }
        (plainBytes, timedBytes) = (text.count, withTimes.count)
    }

    /// Blocks.
    static func read(_ path: String, _ offset: Int64, _ count: Int) throws -> ByteBuffer {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw BenchError(description: "\(path) cannot be read") }
        defer { close(descriptor) }
        var bytes = ByteBuffer()
        let found = bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) {
            max(0, pread(descriptor, $0.baseAddress!, count, off_t(offset)))
        }
        return bytes.getSlice(at: 0, length: found) ?? ByteBuffer()
    }

    private final class Output {
        private let path: String
        private let file: UnsafeMutablePointer<FILE>
        private(set) var count = 0

        init(_ path: String) throws {
            guard let file = fopen(path, "we") else { throw BenchError(description: "\(path) cannot be written") }
            self.path = path
            self.file = file
        }

        @discardableResult
        func write(_ text: String) throws -> Int {
            var text = text
            let length = text.utf8.count
            guard text.withUTF8({ fwrite($0.baseAddress, 1, $0.count, file) }) == length else {
                throw BenchError(description: "\(path) cannot be written")
            }
            count += length
            return length
        }

        func close() throws {
            guard fclose(file) == 0 else { throw BenchError(description: "\(path) cannot be written") }
        }
    }
}
