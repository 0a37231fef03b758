import Foundation
import NIOCore
import NIOHTTP1
import Sockets
import Support
import Testing

@testable import HTTP

@Suite struct ServerTests {
    @Test(arguments: [false, true])
    func `a slow handler holds the client back`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            let sent = Harness.Log()
            async let answer = harness.text(
                .POST, "/slow-read",
                body: .stream { writer in
                    for number in 0..<400 {
                        try await writer.write(ByteBuffer(repeating: 1, count: 64 << 10))
                        sent.add("\(number)")
                    }
                })
            try await eventually("the handler pauses") { harness.log.all == ["paused"] }
            var count = -1
            try await eventually("the client stands still") {
                defer { count = sent.all.count }
                try await Task.sleep(for: .milliseconds(50))
                return count == sent.all.count
            }
            #expect(count < 300)
            harness.log.add("go on")
            let (_, text) = try await answer
            #expect(text == "\(400 * (64 << 10))")
        }
    }

    @Test func `HEAD has the head and nothing more`() async throws {
        try await Harness.run { harness async throws in
            for path in ["/hello", "/stream", "/nothing-here", "/no-content", "/inject"] {
                let answer = try await harness.raw("HEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                #expect(answer.hasSuffix("\r\n\r\n"))
                #expect(answer.components(separatedBy: "\r\n\r\n").count == 2, "\(answer)")
            }
            for _ in 0..<3 {
                let (status, text) = try await harness.text(.HEAD, "/stream")
                #expect(status == .ok)
                #expect(text.isEmpty)
            }
        }
    }

    @Test func `a status without a body gets none`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw("GET /no-content HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 204"))
            #expect(answer.hasSuffix("\r\n\r\n"))
            #expect(!answer.lowercased().contains("content-length"))
        }
    }

    @Test func `HTTP 1.0 is answered in its own way`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw("GET /stream?count=1 HTTP/1.0\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.0 200"))
            #expect(!answer.lowercased().contains("chunked"))
            #expect(answer.hasSuffix("\u{7}\u{7}"))
        }
    }

    @Test(arguments: [false, true])
    func `an answer is not lost over a body that nobody reads`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            for _ in 0..<3 {
                let (status, text) = try await harness.text(
                    .POST, "/ignore", body: .bytes(ByteBuffer(repeating: 1, count: 2 << 20)))
                #expect(status == .forbidden)
                #expect(text == "no")
            }
        }
    }

    @Test(arguments: [false, true], [false, true])
    func `a handler whose client has gone is cancelled`(tcp: Bool, halfCloses: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            let socket = try await RawSocket.connect(to: harness.endpoint)
            try await socket.write("GET /follow HTTP/1.1\r\nHost: x\r\n\r\n")
            try await eventually("it follows") { harness.log.all == ["following"] }
            if halfCloses { try await socket.closeOutput() } else { socket.close() }
            try await eventually("it has stopped") { harness.log.all == ["following", "stopped"] }
            socket.close()
            try await eventually("nothing runs") { harness.server.runningHandlers == 0 }
        }
    }

    @Test func `a client that half-closes after its request is answered all the same`() async throws {
        try await Harness.run(tcp: true) { harness async throws in
            let socket = try await RawSocket.connect(to: harness.endpoint)
            try await socket.write("GET /hello?name=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            try await socket.closeOutput()
            let answer = await socket.readToEnd()
            #expect(answer.hasSuffix("hello 1"))
        }
    }

    @Test func `a handler that gives up without being asked to does not leave the client waiting`() async throws {
        try await Harness.run { harness async throws in
            let (status, _) = try await harness.text(.GET, "/own-cancellation")
            #expect(status == .internalServerError)
        }
    }

    @Test func `a handler that reads a body twice fails alone`() async throws {
        try await Harness.run { harness async throws in
            let (status, text) = try await harness.text(.POST, "/read-twice", body: .bytes(ByteBuffer(string: "x")))
            #expect(status == .internalServerError)
            #expect(text.contains("only once"))
        }
    }

    @Test func `draining waits for what runs, and no longer than it was told`() async throws {
        try await Harness.run { harness async throws in
            let request = Task { try await harness.text(.GET, "/hang") }
            try await eventually("it hangs") { harness.log.all == ["hanging"] }
            await harness.server.drain(within: .milliseconds(100))
            #expect(harness.log.all == ["hanging", "cancelled"])
            #expect(harness.server.runningHandlers == 0)
            await #expect(throws: HTTPError.self) { _ = try await request.value }
        }
    }

    @Test func `many clients at once are served`() async throws {
        try await Harness.run(tcp: true) { harness async throws in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask { try await harness.text(.GET, "/hello?name=\(number)").1 == "hello \(number)" }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }
}
