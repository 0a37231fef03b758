import NIOCore
import Testing

@testable import RPC

@Suite struct WireTests {
    @Test(arguments: [
        ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
        ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("99999999H", .seconds(99_999_999 * 3600)), ("0n", .zero),
    ])
    func `grpc-timeout is read`(text: String, duration: Duration) {
        #expect(GRPCTimeout.parse(text) == duration)
    }

    @Test(arguments: ["", "S", "1", "1s", "-1S", "+1S", "100000000S", "1.5S", " 1S", "1S "])
    func `a malformed grpc-timeout is refused`(text: String) {
        #expect(GRPCTimeout.parse(text) == nil)
    }

    @Test func `a timeout written is never shorter than meant, and close to it`() {
        for duration: Duration in [
            .nanoseconds(1), .milliseconds(50), .seconds(1), .seconds(120), .seconds(86_400 * 365), .seconds(-4),
        ] {
            let read = GRPCTimeout.parse(GRPCTimeout.format(duration))
            #expect(read != nil)
            #expect((read ?? .zero) >= duration)
            #expect((read ?? .zero) <= max(.zero, duration) * 1.001 + .nanoseconds(1))
        }
    }

    @Test(arguments: ["", "plain", "100 %", "naïve", "line\nbreak", "\u{1F980}", "~ ", "%41"])
    func `grpc-message survives`(text: String) {
        let encoded = PercentEncoding.encode(text)
        #expect(encoded.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        #expect(PercentEncoding.decode(encoded) == text)
    }

    @Test func `what is no escape is taken as it stands`() {
        #expect(PercentEncoding.decode("50% of %zz and %4") == "50% of %zz and %4")
    }

    @Test func `messages are found however the bytes are cut`() throws {
        let messages: [[UInt8]] = [[], [1], Array(repeating: 7, count: 300)]
        let bytes = messages.flatMap { message -> [UInt8] in
            [0] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) } + message
        }
        for size in [1, 2, 5, 6, 7, 100, bytes.count] {
            var deframer = MessageDeframer(limit: 1000)
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                bytes[start..<min(start + size, bytes.count)].withUnsafeBytes {
                    deframer.append($0, allocator: .init())
                }
                while let message = try deframer.next() { found.append(Array(message.readableBytesView)) }
            }
            #expect(found == messages)
            #expect(!deframer.isMidMessage)
        }
    }

    @Test func `a message over the limit is refused by its prefix alone`() {
        var deframer = MessageDeframer(limit: 10)
        [UInt8]([0, 0, 0, 0, 11]).withUnsafeBytes { deframer.append($0, allocator: .init()) }
        #expect { try deframer.next() } throws: { ($0 as? RPCError)?.code == .resourceExhausted }
    }
}
