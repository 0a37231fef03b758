import NIOCore
import Testing

@testable import Docker

@Suite("Log messages")
struct LogParserTests {
    private let stamp = "2026-11-21T08:13:40.340647656+01:00 "
    private let nanoseconds: Int64 = 1_795_245_220_340_647_656

    @Test(
        "times are read in every form the engine writes",
        arguments: [
            ("1970-01-01T00:00:00.000000000Z ", 0, 31),
            ("1970-01-01T00:00:00.000000001Z x", 1, 31),
            ("1969-12-31T23:59:59.000000000Z ", -1_000_000_000, 31),
            ("2000-02-29T12:00:00.000000000Z ", 951_825_600_000_000_000, 31),
            ("2024-03-01T00:00:00.000000000Z ", 1_709_251_200_000_000_000, 31),
            ("2026-11-21T08:13:40.340647656+01:00 hi", 1_795_245_220_340_647_656, 36),
            ("2026-11-21T07:13:40.340647656Z hi", 1_795_245_220_340_647_656, 31),
            ("2026-11-21T01:43:40.340647656-05:30 hi", 1_795_245_220_340_647_656, 36),
        ])
    func times(_ text: String, _ nanoseconds: Int64, _ length: Int) {
        let read = LogTimestamp(Array(text.utf8))
        #expect(read?.nanoseconds == nanoseconds)
        #expect(read?.length == length)
    }

    @Test(
        "what is no time is none",
        arguments: [
            "", "2026-11-21", "2026-11-21T07:13:40.340647656Z", "2026-11-21T07:13:40Z ",
            "2026-13-21T07:13:40.340647656Z ",
            "2026-11-21T25:13:40.340647656Z ", "2026-11-21 07:13:40.340647656Z ", "x026-11-21T07:13:40.340647656Z ",
            "2026-11-21T07:13:40.340647656+0100 ", "9999-11-21T07:13:40.340647656Z ", "2026-11-21T07:13:40.340647656Zx",
        ])
    func noTimes(_ text: String) { #expect(LogTimestamp(Array(text.utf8)) == nil) }

    private func parse(_ pieces: [[UInt8]], tty: Bool) throws -> [LogEntry] {
        var parser = LogParser(tty: tty)
        var entries: [LogEntry] = []
        for piece in pieces { entries += try parser.take(ByteBuffer(bytes: piece)) }
        if let last = try parser.finish() { entries.append(last) }
        return entries
    }

    private func entry(_ text: String, _ stream: StandardStream = .stdout, partial: Bool = false) -> LogEntry {
        LogEntry(timestamp: nanoseconds, stream: stream, bytes: ByteBuffer(string: text), isPartial: partial)
    }

    private let full = String(repeating: "x", count: LogParser.cut)

    @Test("without a terminal one frame is one message, wherever the bytes are cut")
    func frames() throws {
        let bytes =
            frame(1, stamp + "out\n") + frame(2, stamp + "err\n") + frame(1, stamp + "\n") + frame(1, stamp + "end")
        let expected = [entry("out"), entry("err", .stderr), entry(""), entry("end", partial: true)]
        for cut in 0...bytes.count {
            #expect(try parse([Array(bytes[..<cut]), Array(bytes[cut...])], tty: false) == expected, "cut at \(cut)")
        }
    }

    @Test("a piece of the full size goes on, the last one does not, with a line end or without", arguments: ["", "\n"])
    func pieces(_ end: String) throws {
        let bytes =
            frame(1, stamp + full) + frame(2, stamp + "err\n") + frame(1, stamp + "rest" + end)
            + frame(1, stamp + full + "\n")
        #expect(
            try parse([bytes], tty: false)
                == [entry(full, partial: true), entry("err", .stderr), entry("rest"), entry(full)])
    }

    @Test("a line of exactly the full size ends with an empty piece", arguments: ["", "\n"])
    func exactPieces(_ end: String) throws {
        let bytes = frame(1, stamp + full) + frame(1, stamp + end) + frame(1, stamp + "tail")
        let entries = try parse([bytes], tty: false)
        #expect(entries == [entry(full, partial: true), entry(""), entry("tail", partial: true)])
    }

    @Test("a cut line of one stream does not end a line of the other")
    func piecesOfTwoStreams() throws {
        let bytes = frame(1, stamp + full) + frame(2, stamp + "tail") + frame(1, stamp + "rest")
        let entries = try parse([bytes], tty: false)
        #expect(entries == [entry(full, partial: true), entry("tail", .stderr, partial: true), entry("rest")])
    }

    @Test("bytes that are no text stay as they are")
    func binary() throws {
        let junk: [UInt8] = [0xff, 0, 0xc3, 0x28, 0x0d]
        var bytes = frame(1, stamp + "12345\n")
        bytes.replaceSubrange((8 + stamp.utf8.count)..<(8 + stamp.utf8.count + 5), with: junk)
        #expect(try parse([bytes], tty: false).map { Array($0.bytes.readableBytesView) } == [junk])
    }

    @Test("a message without a time is an error that shows it", arguments: [true, false])
    func withoutTime(_ tty: Bool) {
        let words = "Error grabbing logs: unexpected EOF, and so on\n"
        let error = #expect(throws: DockerError.self) {
            try parse([tty ? Array(words.utf8) : frame(1, words)], tty: tty)
        }
        #expect(error?.message.contains("unexpected EOF") == true)
    }

    @Test("with a terminal a message ends with its line, wherever the bytes are cut")
    func terminal() throws {
        let bytes = Array((stamp + "one\r\n" + stamp + "\r\n" + stamp + "two\n").utf8)
        let expected = [entry("one\r"), entry("\r"), entry("two")]
        for cut in 0...bytes.count {
            #expect(try parse([Array(bytes[..<cut]), Array(bytes[cut...])], tty: true) == expected, "cut at \(cut)")
        }
    }

    @Test("what a process wrote last on a terminal is not lost for want of a line end")
    func terminalTail() throws {
        #expect(
            try parse([Array((stamp + "one\n" + stamp + "$ ").utf8)], tty: true) == [
                entry("one"), entry("$ ", partial: true),
            ])
    }

    /// As Docker 20.10 sends it: one read per message, no line end after the last piece of a cut line.
    @Test("with a terminal a cut line's last piece ends where the next message begins")
    func terminalPieces() throws {
        let messages = [full, full, "rest\r", "next\r\n", full, "", "end\n"].map { Array((stamp + $0).utf8) }
        #expect(
            try parse(messages, tty: true) == [
                entry(full, partial: true), entry(full, partial: true), entry("rest\r"), entry("next\r"),
                entry(full, partial: true), entry(""), entry("end"),
            ])
    }

    @Test("a cut line's pieces may themselves come in several reads")
    func terminalPiecesInReads() throws {
        let reads = [
            stamp + String(full.prefix(5000)), String(full.dropFirst(5000)), stamp + "re", "st\r", stamp + "next\n",
        ]
        #expect(
            try parse(reads.map { Array($0.utf8) }, tty: true)
                == [entry(full, partial: true), entry("rest\r"), entry("next")])
    }

    @Test("a log that breaks off inside a frame says so")
    func truncated() {
        let error = #expect(throws: DockerError.self) {
            try parse([Array(frame(1, stamp + "text\n").dropLast(2))], tty: false)
        }
        #expect(error?.code == .unavailable)
    }
}
