import NIOCore
import Testing

@testable import HostFiles

@Suite struct LogOutputTests {
    private static let time = "2024-05-06T07:08:09.000000001Z"

    private func output(_ entries: [String], _ change: (inout LogReadOptions) -> Void = { _ in }) -> String {
        var options = LogReadOptions()
        change(&options)
        var output = LogOutput(options)
        // In two portions, cut within an entry.
        let text = Array(entries.map { $0 + "\n" }.joined().utf8)
        var bytes = ByteBuffer(bytes: text.prefix(text.count / 2))
        var result = String(buffer: output.take(&bytes))
        bytes.writeBytes(text.dropFirst(text.count / 2))
        result += String(buffer: output.take(&bytes))
        #expect(bytes.readableBytes == 0 || output.isFull)
        return result
    }

    @Test(arguments: [
        ("\(time) stdout F text", "text\n"), ("\(time) stderr F a  b ", "a  b \n"), ("\(time) stdout P part", "part"),
        ("\(time) stdout F", "\n"), ("\(time) stdout F ", "\n"), ("\(time) stdout F:more text", "text\n"),
        ("2024-05-06T07:08:09Z stdout F no fraction", "no fraction\n"),
        ("2024-05-06T09:08:09.5+02:00 stdout F an offset", "an offset\n"), ("", ""), ("text", ""), ("\(time)", ""),
        ("\(time) stdout", ""), ("\(time) stdout ", ""), ("\(time) stdin F x", ""), ("\(time) stdout X x", ""),
        ("\(time)  F x", ""), ("2024-05-06T07:08:09.00000000xZ stdout F x", ""),
        ("2024-13-06T07:08:09.000000001Z stdout F x", ""), ("now stdout F x", ""),
    ])
    func `an entry's text comes out, and what is no entry does not`(entry: String, text: String) {
        #expect(output([entry]) == text)
        // Beside others of the same second.
        let other = "\(Self.time) stderr F other"
        #expect(output([other, entry, other]) == "other\n" + text + "other\n")
    }

    @Test func `times are shown in one form, once for each line`() {
        let entries = [
            "2024-05-06T09:08:09.5+02:00 stdout P one", "\(Self.time) stderr F two", "\(Self.time) stdout F more",
            "2024-05-06T07:08:10.000000000Z stdout F three",
        ]
        #expect(
            output(entries) { $0.timestamps = true }
                == "2024-05-06T07:08:09.500000000Z one\(Self.time) two\nmore\n2024-05-06T07:08:10.000000000Z three\n")
        #expect(output(entries) { $0.since = 1_714_979_290_000_000_000 } == "three\n")
        #expect(output(entries) { $0.stream = .stderr } == "two\n")
    }

    @Test(arguments: 1...13)
    func `no more comes than was asked for`(limit: Int) {
        let all = "one\ntwo\nthree\n"
        let entries = ["one", "two", "three"].map { "\(Self.time) stdout F \($0)" }
        #expect(output(entries) { $0.limitBytes = limit } == String(all.prefix(limit)))
    }
}
