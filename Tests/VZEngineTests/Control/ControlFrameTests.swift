import NIOCore
import Support
import Testing

@testable import VZEngine

@Suite("Frames of the control socket")
struct ControlFrameTests {
    private func encoded(_ frames: [ControlFrame]) -> ByteBuffer {
        var bytes = ByteBuffer()
        for frame in frames { frame.write(to: &bytes) }
        return bytes
    }

    @Test("frames come out as they went in, however the bytes are cut")
    func cuts() throws {
        var random = Faults.random("control frames")
        for _ in 0..<20 {
            let frames = (0..<8).map { _ in
                ControlFrame(
                    .init(rawValue: .random(in: 0...255, using: &random)),
                    ByteBuffer(
                        repeating: .random(in: 0...255, using: &random), count: .random(in: 0...300, using: &random)))
            }
            var bytes = encoded(frames)
            var decoder = ControlFrameDecoder()
            var decoded: [ControlFrame] = []
            while bytes.readableBytes > 0 {
                decoder.feed(bytes.readSlice(length: min(bytes.readableBytes, .random(in: 1...90, using: &random)))!)
                while let frame = try decoder.next() { decoded.append(frame) }
            }
            #expect(decoded == frames)
            #expect(decoder.pending == 0)
        }
    }

    @Test("a frame is not there until its last byte is")
    func partial() throws {
        let bytes = encoded([ControlFrame(.output, ByteBuffer(string: "abc"))])
        for count in 0..<bytes.readableBytes {
            var decoder = ControlFrameDecoder()
            decoder.feed(bytes.getSlice(at: 0, length: count)!)
            #expect(try decoder.next() == nil)
        }
    }

    @Test("an oversized frame and garbage are refused before they are awaited")
    func refused() throws {
        for bytes in [ByteBuffer(integer: UInt32(ControlFrame.limit + 1)), ByteBuffer(string: "GET / HTTP/1.1\r\n")] {
            var decoder = ControlFrameDecoder()
            decoder.feed(bytes)
            let error = #expect(throws: VZEngineError.self) { try decoder.next() }
            #expect(error?.code == .protocolVersion)
        }
    }

    @Test("a message with fields of a newer version is read")
    func newerFields() throws {
        let text = #"{"version":{"major":1,"minor":9,"patch":3},"operation":"hello","colour":"red"}"#
        let request = try ControlFrame(.message, ByteBuffer(string: text)).decode(ControlRequest.self)
        #expect(request.operation == "hello")
        #expect(request.version == ControlVersion(major: 1, minor: 9))
    }

    @Test(
        "supervisors of two minor versions ago, and newer ones, are driven",
        arguments: [
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 3, minor: 5), true),
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 3, minor: 3), true),
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 3, minor: 2), false),
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 3, minor: 8), true),
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 2, minor: 5), false),
            (ControlVersion(major: 3, minor: 5), ControlVersion(major: 4, minor: 5), false),
        ])
    func versions(client: ControlVersion, supervisor: ControlVersion, isDriven: Bool) {
        #expect(client.canDrive(supervisor) == isDriven)
    }
}
