import NIOCore
import Testing

@testable import Docker

@Suite("JSON lines")
struct LineSplitterTests {
    private func split(_ pieces: [String]) throws -> [String] {
        var splitter = LineSplitter()
        var lines: [String] = []
        for piece in pieces {
            try splitter.append(ByteBuffer(string: piece))
            while let line = splitter.next() { lines.append(String(buffer: line)) }
        }
        if let line = splitter.finish() { lines.append(String(buffer: line)) }
        return lines
    }

    @Test("lines come out whole wherever the bytes are cut; blank ones are nothing")
    func cuts() throws {
        let text = "{\"a\":1}\r\n\r\n\n{\"b\":2}\n  \n{\"c\":3}"
        let expected = ["{\"a\":1}\r\n", "{\"b\":2}\n", "{\"c\":3}"]
        for cut in 0...text.utf8.count {
            let index = text.utf8.index(text.startIndex, offsetBy: cut)
            // "\r\n" is one character, but may come in two pieces.
            let first = String(decoding: text.utf8[..<index], as: UTF8.self)
            let second = String(decoding: text.utf8[index...], as: UTF8.self)
            #expect(try split([first, second]) == expected, "cut at \(cut)")
        }
    }

    @Test("a line without end is refused rather than kept")
    func tooLong() throws {
        var splitter = LineSplitter()
        let mebibyte = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 20)
        for _ in 0..<4 { try splitter.append(mebibyte) }
        #expect(splitter.next() == nil)
        #expect(throws: DockerError.self) { try splitter.append(mebibyte) }
    }
}
