import Foundation
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import HostFiles

@Suite struct LogReaderTests {
    private func line(_ number: Int, partial: Bool = false, _ text: String? = nil) -> LogLine {
        LogLine(
            timestamp: 1_700_000_000_000_000_000 + Int64(number) * 1_000_000_000, stream: .stdout, isPartial: partial,
            content: ByteBuffer(string: text ?? "line \(number)"))
    }

    private func read(_ path: String, _ change: (inout LogReadOptions) -> Void = { _ in }) async throws -> String {
        var options = LogReadOptions()
        change(&options)
        var all = ByteBuffer()
        try await LogReader(path: path, options: options).run { all.writeImmutableBuffer($0) }
        return String(buffer: all)
    }

    private func withLog(_ lines: [LogLine], _ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let file = LogFile(path: directory + "/logs/0.log", cursorPath: directory + "/cursor")
            _ = try await file.open()
            try await file.append(lines)
            try await file.close()
            try await body(directory + "/logs/0.log")
        }
    }

    @Test func `lines come without their heads, cut ones put together`() async throws {
        try await withLog([line(0), line(1, partial: true, "cut "), line(2, "in two"), line(3)]) { path async throws in
            let all = try await read(path)
            #expect(all == "line 0\ncut in two\nline 3\n")
            let last = try await read(path) { $0.tail = 2 }
            #expect(last == "cut in two\nline 3\n")
            let none = try await read(path) { $0.tail = 0 }
            #expect(none == "")
            let more = try await read(path) { $0.tail = 100 }
            #expect(more == all)
            let later = try await read(path) { $0.since = 1_700_000_003_000_000_000 }
            #expect(later == "line 3\n")
            let few = try await read(path) { $0.limitBytes = 9 }
            #expect(few == "line 0\ncu")
            let timed = try await read(path) { $0.timestamps = true }
            #expect(
                timed.hasPrefix("2023-11-14T22:13:20.000000000Z line 0\n2023-11-14T22:13:21.000000000Z cut in two\n"))
        }
    }

    @Test func `the tail of a large file is found from its end`() async throws {
        try await withLog((0..<50_000).map { line($0 % 1000, "number \($0)") }) { path async throws in
            let last = try await read(path) { $0.tail = 3 }
            #expect(last == "number 49997\nnumber 49998\nnumber 49999\n")
            let many = try await read(path) { $0.tail = 20_000 }
            #expect(many.hasPrefix("number 30000\n"))
        }
    }

    @Test func `following goes on through a rotation until the end`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/logs/0.log"
            let file = LogFile(path: path, cursorPath: directory + "/cursor")
            _ = try await file.open()
            try await file.append([line(0)])
            let finished = NIOLockedValueBox(false)
            let seen = NIOLockedValueBox("")
            var options = LogReadOptions()
            options.follow = true
            let reading = Task { [options] in
                try await LogReader(path: path, options: options).run(isFinished: { finished.withLockedValue { $0 } }) {
                    bytes in
                    seen.withLockedValue { $0 += String(buffer: bytes) }
                }
            }
            try await eventually("the first line") { seen.withLockedValue { $0 } == "line 0\n" }
            try await file.append([line(1)])
            try await eventually("the second line") { seen.withLockedValue { $0 }.hasSuffix("line 1\n") }
            try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
            try await file.append([line(2)])
            try await file.reopen()
            try await file.append([line(3)])
            try await eventually("lines around the rotation") {
                seen.withLockedValue { $0 }.hasSuffix("line 2\nline 3\n")
            }
            finished.withLockedValue { $0 = true }
            try await file.append([line(4)])
            try await reading.value
            #expect(seen.withLockedValue { $0 } == (0...4).map { "line \($0)\n" }.joined())
            try await file.close()
        }
    }
}
