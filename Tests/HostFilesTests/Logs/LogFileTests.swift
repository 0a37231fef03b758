import Foundation
import NIOCore
import Support
import Testing

@testable import HostFiles

@Suite struct LogFileTests {
    /// A source of entries that can be asked again, as the engine can.
    private struct Source {
        let lines: [LogLine]

        init(_ count: Int, random: inout SeededRandom) {
            var time: Int64 = 1_700_000_000_000_000_000
            lines = (0..<count).map { number in
                time += Int64.random(in: 0...3_000_000, using: &random)
                // The times of the two streams cross a little.
                let crossing = Bool.random(using: &random) ? Int64.random(in: 0...500_000, using: &random) : 0
                return LogLine(
                    timestamp: time - crossing, stream: number % 3 == 0 ? .stderr : .stdout, isPartial: number % 7 == 0,
                    content: ByteBuffer(string: "line \(number)"))
            }
        }

        func from(_ position: LogFile.Position?) -> [LogLine] {
            lines.filter { $0.timestamp >= position?.timestamp ?? .min }
        }
    }

    private func contents(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted().flatMap { name in
            try String(contentsOfFile: directory + "/" + name, encoding: .utf8).split(separator: "\n")
                .map { String($0.split(separator: " ", maxSplits: 3)[3]) }
        }
    }

    @Test func `every entry is written once, whatever dies when`() async throws {
        var random = Faults.random("log file")
        for _ in 0..<(Faults.rounds * 4) {
            let source = Source(400, random: &random)
            try await withTemporaryDirectory { directory in
                let logs = directory + "/logs"
                var rotations = 0
                var done = 0
                while done < source.lines.count {
                    let file = LogFile(path: logs + "/9.log", cursorPath: directory + "/cursor")
                    let position = try await file.open()
                    var rest = source.from(position)[...]
                    let steps = Int.random(in: 1...8, using: &random)
                    for _ in 0..<steps where !rest.isEmpty {
                        let batch = Array(rest.prefix(Int.random(in: 1...60, using: &random)))
                        rest = rest.dropFirst(batch.count)
                        try await file.append(batch)
                        if Int.random(in: 0...4, using: &random) == 0 {
                            try FileManager.default.moveItem(
                                atPath: logs + "/9.log", toPath: "\(logs)/\(1000 + rotations)")
                            rotations += 1
                            // Half of the time the rotation is not told, because nobody runs here any more.
                            if Bool.random(using: &random) { try await file.reopen() } else { break }
                        }
                    }
                    done = try contents(logs).count
                    if done < source.lines.count, Int.random(in: 0...2, using: &random) == 0,
                        FileManager.default.fileExists(atPath: logs + "/9.log")
                    {
                        // Killed in the middle of a write.
                        let handle = try #require(FileHandle(forWritingAtPath: logs + "/9.log"))
                        handle.seekToEndOfFile()
                        handle.write(Data("2023-11-14T22:13:20.1234".utf8))
                        try handle.close()
                    }
                    try await file.close()
                }
                let written = try contents(logs)
                #expect(written == source.lines.map { String(buffer: $0.content) })
            }
        }
    }

    @Test func `the file has the form of the CRI`() async throws {
        try await withTemporaryDirectory { directory in
            let file = LogFile(path: directory + "/logs/0.log", cursorPath: directory + "/cursor")
            #expect(try await file.open() == nil)
            try await file.append([
                LogLine(
                    timestamp: 1_136_214_245_000_000_042, stream: .stdout, isPartial: false,
                    content: ByteBuffer(string: "one")),
                LogLine(
                    timestamp: 1_136_214_245_000_000_043, stream: .stderr, isPartial: true,
                    content: ByteBuffer(string: "tw")),
            ])
            try await file.close()
            let text = try String(contentsOfFile: directory + "/logs/0.log", encoding: .utf8)
            #expect(text == "2006-01-02T15:04:05.000000042Z stdout F one\n2006-01-02T15:04:05.000000043Z stderr P tw\n")
        }
    }

    @Test(arguments: [0, 1, 951_782_399_999_999_999, 951_782_400_000_000_000, 4_102_444_799_123_456_789] as [Int64])
    func `times survive`(time: Int64) {
        var buffer = ByteBuffer()
        LogTime.append(time, to: &buffer)
        #expect(buffer.readableBytes == 30)
        #expect(LogTime.parse(buffer.readableBytesView) == time)
    }
}
