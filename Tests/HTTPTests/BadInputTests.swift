import Foundation
import HTTP
import NIOCore
import NIOHTTP1
import Testing

@Suite struct BadInputTests {
    @Test(arguments: [
        "/../etc/passwd", "/a/%2e%2e/b", "/a/./b", "/nul%00", "/bad%zz", "/cut%4", "/bad%ff%fe", "relative", "/x?a=%zz", "http://absolute/",
    ])
    func `a target that no handler should see is refused`(target: String) async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400"), "\(answer)")
        }
    }

    @Test func `what is no HTTP is answered and closed`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw("\u{1}\u{2}garbage\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func `a head without end is not collected for ever`() async throws {
        try await Harness.run { harness async throws in
            let huge = String(repeating: "x", count: 2 << 20)
            let answer = try await harness.raw("GET / HTTP/1.1\r\nX-Huge: \(huge)")
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func `a connection that says nothing is closed`() async throws {
        var limits = HTTPServerLimits()
        limits.idleTimeout = .milliseconds(100)
        try await Harness.run(limits: limits) { harness async throws in
            let answer = try await harness.raw("GET /hel")
            #expect(answer.isEmpty)
        }
    }

    @Test func `pipelined requests are answered in order`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.contains("hello 1"))
            #expect(answer.contains("hello 2"))
            #expect(answer.components(separatedBy: "HTTP/1.1 200").count == 3)
        }
    }

    @Test func `an expectation is met before the body is sent`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            #expect(answer.hasPrefix("HTTP/1.1 100"))
            #expect(answer.hasSuffix("hi"))
        }
    }
}
