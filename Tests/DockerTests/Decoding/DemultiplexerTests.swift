import NIOCore
import Testing

@testable import Docker

/// A frame as the engine writes it.
func frame(_ stream: UInt8, _ text: String) -> [UInt8] {
    let length = UInt32(text.utf8.count)
    return [stream, 0, 0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + Array(text.utf8)
}

@Suite("Demultiplexer")
struct DemultiplexerTests {
    /// Everything `pieces` bring, per stream, with a mark where a frame ends.
    private func read(_ pieces: [[UInt8]]) throws -> [String] {
        var demultiplexer = Demultiplexer()
        var frames: [String] = []
        var current = ""
        for piece in pieces {
            demultiplexer.append(ByteBuffer(bytes: piece))
            while let frame = try demultiplexer.next() {
                current += String(buffer: frame.bytes)
                guard frame.endsFrame else { continue }
                frames.append("\(frame.stream.rawValue):\(current)")
                current = ""
            }
        }
        try demultiplexer.finish()
        return frames
    }

    private let stream = frame(1, "one\n") + frame(2, "err") + frame(1, "") + frame(0, "in") + frame(1, "last\n")
    private let expected = ["1:one\n", "2:err", "1:", "0:in", "1:last\n"]

    @Test("frames come out whole wherever the bytes are cut")
    func everyCut() throws {
        for cut in 0...stream.count {
            #expect(try read([Array(stream[..<cut]), Array(stream[cut...])]) == expected, "cut at \(cut)")
        }
        #expect(try read(stream.map { [$0] }) == expected)
    }

    @Test("a long frame is handed on as it comes")
    func streams() throws {
        var demultiplexer = Demultiplexer()
        demultiplexer.append(ByteBuffer(bytes: frame(1, "abcdef").prefix(11)))
        #expect(
            try demultiplexer.next() == DockerFrame(stream: .stdout, bytes: ByteBuffer(string: "abc"), endsFrame: false)
        )
        #expect(try demultiplexer.next() == nil)
    }

    @Test("the engine's own failure in the stream is thrown in its words")
    func failure() {
        let error = #expect(throws: DockerError.self) {
            try read([
                frame(1, "x") + Array(frame(3, "Error grabbing logs: EOF\n").prefix(10)),
                Array(frame(3, "Error grabbing logs: EOF\n").dropFirst(10)),
            ])
        }
        #expect(error?.message.contains("Error grabbing logs: EOF") == true)
    }

    @Test(
        "bytes that are no frames are refused",
        arguments: [
            [UInt8(ascii: "h"), 0, 0, 0, 0, 0, 0, 1], [4, 0, 0, 0, 0, 0, 0, 1], [1, 0, 1, 0, 0, 0, 0, 1],
        ])
    func malformed(_ bytes: [UInt8]) {
        #expect(throws: DockerError.self) { try read([bytes]) }
    }

    @Test("an end inside a frame or its header is no end", arguments: [3, 8, 10])
    func truncated(_ length: Int) {
        let error = #expect(throws: DockerError.self) { try read([Array(frame(1, "text").prefix(length))]) }
        #expect(error?.code == .unavailable)
    }
}
