import NIOCore
import Testing

@testable import Streaming

/// Bytes as Kubernetes' own client (moby/spdystream) sent them.
@Suite struct GoldenBytesTests {
    @Test func `an exec of Kubernetes' client is understood`() throws {
        let frames = try Self.decode(
            "800300010000002a0000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a5a54945f04000000ffff",
            "800300010000001700000003000000000000c22e555c92929907000000ffff",
            "800300010000001900000005000000000000c22ac5565c92925f5a02000000ffff",
            "800300010000001500000007000000000000c229975a5404000000ffff",
            "000000030000000668656c6c6f0a", "0000000301000000", "80030003000000080000000100000005")
        #expect(
            frames == [
                .synStream(stream: 1, headers: ["streamtype": "error"], fin: false),
                .synStream(stream: 3, headers: ["streamtype": "stdin"], fin: false),
                .synStream(stream: 5, headers: ["streamtype": "stdout"], fin: false),
                .synStream(stream: 7, headers: ["streamtype": "stderr"], fin: false),
                .data(stream: 3, bytes: ByteBuffer(string: "hello\n"), fin: false),
                .data(stream: 3, bytes: ByteBuffer(), fin: true),
                .rstStream(stream: 1, status: SPDYNumbers.cancel),
            ])
    }

    @Test func `a port-forward of Kubernetes' client is understood`() throws {
        let frames = try Self.decode(
            "80030001000000430000000100000000000078f9e3c6a7c26260606006a7b392a2d4c45c6851c29a5a54945f0429968b4a18",
            "1818982c0c181818388b20919899c2c0c0c06800000000ffff", "0000000101000000",
            "800300010000001800000003000000000000c2aa15540a2512d209000000ffff", "80030003000000080000000300000005",
            "800300060000000400000001", "80030007000000080000000000000000")
        // The order of Go's maps is any.
        func sorted(_ frame: SPDYFrame?) -> [String] {
            guard case .synStream(_, let headers, _)? = frame else { return [] }
            return headers.fields.map { "\($0.name)=\($0.value)" }.sorted()
        }
        #expect(sorted(frames.first) == ["port=80", "requestid=0", "streamtype=error"])
        #expect(sorted(frames.dropFirst(2).first) == ["port=80", "requestid=0", "streamtype=data"])
        #expect(
            frames.suffix(3) == [
                .rstStream(stream: 3, status: SPDYNumbers.cancel), .ping(id: 1), .goAway(lastStream: 0),
            ])
    }

    /// What kubectl parses for the exit code.
    @Test(
        arguments: [
            (RemoteCommandResult.exited(code: 0), 4, #"{"metadata":{},"status":"Success"}"#),
            (
                .exited(code: 3), 4,
                #"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3","#
                    + #""reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#
            ),
            (
                .failed(message: "no \"it\"\n\u{1}ü"), 4,
                #"{"metadata":{},"status":"Failure","message":"no \"it\"\n\u0001ü","reason":"InternalError","#
                    + #""details":{"causes":[{"message":"no \"it\"\n\u0001ü"}]},"code":500}"#
            ),
            (.exited(code: 0), 3, nil),
            (.exited(code: 3), 1, "command terminated with non-zero exit code: exit status 3"),
            (.failed(message: "gone"), 2, "gone"),
        ] as [(RemoteCommandResult, Int, String?)])
    func `the end of a command is told as Kubernetes tells it, and read back`(
        result: RemoteCommandResult, version: Int, text: String?
    ) {
        let encoded = CommandStatus.encode(result, version: version)
        #expect(encoded.map { String(buffer: $0) } == text)
        #expect(CommandStatus.decode(encoded ?? ByteBuffer(), version: version) == result)
    }

    private static func decode(_ hex: String...) throws -> [SPDYFrame] {
        let digits = Array(hex.joined().utf8)
        var decoder = SPDYDecoder()
        decoder.append(
            ByteBuffer(
                bytes: stride(from: 0, to: digits.count, by: 2).map {
                    UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)!
                }))
        var frames: [SPDYFrame] = []
        while let frame = try decoder.next() { frames.append(frame) }
        return frames
    }
}
