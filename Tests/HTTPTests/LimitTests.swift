import NIOCore
import NIOHTTP1
import Sockets
import Support
import Testing

@testable import HTTP

@Suite struct LimitTests {
    private static func limits(_ change: (inout HTTPServerLimits) -> Void) -> HTTPServerLimits {
        var limits = HTTPServerLimits()
        change(&limits)
        return limits
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: " + String(repeating: "x", count: 5000),
        "GET /" + String(repeating: "x", count: 5000),
        "GET / HTTP/1.1\r\nHost: x\r\n"
            + (0..<200).map { "X-\($0): \(String(repeating: "y", count: 40))\r\n" }.joined(),
    ])
    func `a head that is too large is refused`(head: String) async throws {
        try await Harness.run(limits: Self.limits { $0.headBytes = 4096 }) { harness async throws in
            let answer = try await harness.raw(head)
            #expect(answer.hasPrefix("HTTP/1.1 431"), "\(answer)")
        }
    }

    @Test func `a body larger than its handler takes is refused with 413`() async throws {
        try await Harness.run { harness async throws in
            let (status, _) = try await harness.text(.POST, "/small", body: .bytes(ByteBuffer(repeating: 1, count: 11)))
            #expect(status == .payloadTooLarge)
        }
    }

    @Test func `connections beyond the limit are closed, and others taken when one ends`() async throws {
        try await Harness.run(limits: Self.limits { $0.connections = 2 }) { harness async throws in
            let first = try await RawSocket.connect(to: harness.endpoint)
            let second = try await RawSocket.connect(to: harness.endpoint)
            let hello = "GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\n"
            for socket in [first, second] {
                try await socket.write(hello)
                try await socket.expect("hello 1")
            }
            let third = try await RawSocket.connect(to: harness.endpoint)
            let nothing = await third.readToEnd()
            #expect(nothing.isEmpty)
            first.close()
            try await eventually("there is room again") {
                let fourth = try await RawSocket.connect(to: harness.endpoint)
                defer { fourth.close() }
                try? await fourth.write(hello)
                do {
                    try await fourth.expect("hello 1")
                    return true
                } catch is RawSocket.Ended {
                    return false
                }
            }
            second.close()
        }
    }
}
