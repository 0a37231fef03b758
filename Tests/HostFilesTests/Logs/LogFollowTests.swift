import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import HostFiles

@Suite struct LogFollowTests {
    private func line(_ number: Int) -> LogLine {
        LogLine(
            timestamp: 1_700_000_000_000_000_000 + Int64(number), stream: .stdout, isPartial: false,
            content: ByteBuffer(string: "line \(number)"))
    }

    /// Follows `path` while `body` writes, then says that it is finished.
    private func following(_ path: String, _ body: (NIOLockedValueBox<String>) async throws -> Void) async throws
        -> String
    {
        let (seen, finished) = (NIOLockedValueBox(""), NIOLockedValueBox(false))
        var options = LogReadOptions()
        options.follow = true
        let reader = LogReader(path: path, options: options)
        let reading = Task {
            try await reader.run(isFinished: { finished.withLockedValue { $0 } }) { bytes in
                seen.withLockedValue { $0 += String(buffer: bytes) }
            }
        }
        try await body(seen)
        finished.withLockedValue { $0 = true }
        // Any change of the directory makes it ask.
        try Data().write(to: URL(filePath: path + ".wake"))
        try await reading.value
        return seen.withLockedValue { $0 }
    }

    @Test func `no line written just before a rotation is missed`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/0.log"
            var random = Faults.random("rotation")
            var current = systemOpen(path, O_WRONLY | O_CREAT, 0o600)
            func append(_ number: Int) {
                var bytes = ByteBuffer()
                line(number).append(to: &bytes)
                _ = bytes.withUnsafeReadableBytes { systemWrite(current, $0) }
            }
            append(0)
            let rotations = 300
            let seen = try await following(path) { seen in
                for number in 1...rotations {
                    try await eventually("all before rotation \(number)") {
                        seen.withLockedValue { $0.hasSuffix("line \((number - 1) * 3)\n") }
                    }
                    // The first wakes the reader; the rest meets it somewhere between reading and looking for a rotation.
                    append(number * 3 - 2)
                    let end = ContinuousClock.now + .microseconds(Int.random(in: 0...400, using: &random))
                    while ContinuousClock.now < end {}
                    append(number * 3 - 1)
                    rename(path, "\(directory)/\(number)")
                    let next = systemOpen(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
                    _ = systemClose(current)
                    current = next
                    append(number * 3)
                }
            }
            _ = systemClose(current)
            #expect(seen == (0...rotations * 3).map { "line \($0)\n" }.joined())
        }
    }

    @Test func `a torn entry at the end of a rotated file spoils nothing of the next`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/0.log"
            func entry(_ number: Int) -> Data {
                var bytes = ByteBuffer()
                line(number).append(to: &bytes)
                return Data(bytes.readableBytesView)
            }
            try (entry(0) + entry(1).prefix(40)).write(to: URL(filePath: path))
            let seen = try await following(path) { seen in
                try await eventually("the whole line") { seen.withLockedValue { $0 } == "line 0\n" }
                try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
                try (entry(1) + entry(2)).write(to: URL(filePath: path), options: .atomic)
                try await eventually("the next file") { seen.withLockedValue { $0.hasSuffix("line 2\n") } }
            }
            #expect(seen == "line 0\nline 1\nline 2\n")
        }
    }

    @Test func `a torn entry that is cut off later spoils nothing`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/logs/0.log"
            let first = LogFile(path: path, cursorPath: directory + "/cursor")
            _ = try await first.open()
            try await first.append([line(0)])
            try await first.close()
            let handle = try #require(FileHandle(forWritingAtPath: path))
            handle.seekToEndOfFile()
            handle.write(Data("2023-11-14T22:13:20.0000000".utf8))
            try handle.close()
            let seen = try await following(path) { seen in
                try await eventually("the whole line") { seen.withLockedValue { $0 } == "line 0\n" }
                // The writer comes back.
                let second = LogFile(path: path, cursorPath: directory + "/cursor")
                _ = try await second.open()
                try await second.append([line(0), line(1), line(2)])
                try await eventually("the next lines") { seen.withLockedValue { $0.hasSuffix("line 2\n") } }
                try await second.close()
            }
            #expect(seen == "line 0\nline 1\nline 2\n")
        }
    }
}
