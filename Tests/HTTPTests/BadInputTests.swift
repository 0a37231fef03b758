import Foundation
import HTTP
import NIOCore
import NIOHTTP1
import Testing

@Suite struct BadInputTests {
    @Test(arguments: [
        "/../etc/passwd", "/a/%2e%2e/b", "/a/./b", "/nul%00", "/bad%zz", "/cut%4", "/bad%ff%fe", "relative", "/x?a=%zz",
        "/x?a=%00",
        "http://absolute/", "*", "/%2e%2e%2fetc", "/a/%2E",
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
            #expect(answer.hasPrefix("HTTP/1.1 431"), "\(answer)")
        }
    }

    @Test func `pipelined requests are answered in order`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            #expect(answer.contains("hello 1"))
            #expect(answer.contains("hello 2"))
            #expect(answer.components(separatedBy: "HTTP/1.1 200").count == 3)
        }
    }

    @Test func `an expectation is met before the body is sent`() async throws {
        try await Harness.run { harness async throws in
            let socket = try await RawSocket.connect(to: harness.endpoint)
            try await socket.write(
                "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
            )
            try await socket.expect("HTTP/1.1 100 Continue\r\n\r\n")
            try await socket.write("hi")
            let answer = await socket.readToEnd()
            #expect(answer.hasSuffix("hi"))
        }
    }

    @Test func `a body that is refused is not asked for`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "POST /ignore HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
                halfCloseAfter: "no")
            #expect(answer.hasPrefix("HTTP/1.1 403"))
            #expect(answer.lowercased().contains("connection: close"))
        }
    }

    @Test(arguments: ["GET /hello HTTP/1.1\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"])
    func `a request names one host`(request: String) async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(request)
            #expect(answer.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test(arguments: [
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ])
    func `a body whose length is ambiguous is refused`(request: String) async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(request)
            #expect(answer.hasPrefix("HTTP/1.1 400"), "\(answer)")
        }
    }

    @Test func `garbage behind a request does not spoil its answer`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw("GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\n\u{1}garbage\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            #expect(answer.hasSuffix("hello 1"))
        }
    }

    @Test func `a header that would split the response is not sent`() async throws {
        try await Harness.run { harness async throws in
            let (status, _) = try await harness.text(.GET, "/inject?name=a%0d%0aset-cookie:%20x")
            #expect(status == .internalServerError)
        }
    }
}
