import Foundation
import NIOCore
import NIOHTTP1
import Sockets
import Support
import TLS
import Testing

@testable import HTTP

@Suite struct ClientTests {
    private static let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    @Test func `connections are used again, as many as are allowed to idle`() async throws {
        let accepted = Harness.Log()
        try await RawSocket.server({ socket, number in
            accepted.add("\(number)")
            var answered = 0
            while true {
                try await eventually("a request comes") {
                    socket.text.components(separatedBy: "\r\n\r\n").count > answered + 1
                }
                try await socket.write(Self.empty)
                answered += 1
            }
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            for _ in 0..<5 {
                let response = try await client.execute(.GET, "/", timeout: .seconds(60))
                _ = try await response.body.collect(upTo: 10)
            }
            #expect(accepted.all == ["0"])
            await client.close()
        }
    }

    @Test func `a request meets a server that has just closed the connection`() async throws {
        // Every connection serves one request and is closed on the second, which is sent again on another.
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(Self.empty)
            try await eventually("a second request comes") { socket.text.components(separatedBy: "\r\n\r\n").count > 2 }
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            for _ in 0..<4 {
                let response = try await client.execute(.GET, "/", timeout: .seconds(60))
                _ = try await response.body.collect(upTo: 10)
            }
            // What may have had its effect is not repeated.
            await #expect { _ = try await client.execute(.POST, "/", timeout: .seconds(60)) } throws: {
                ($0 as? HTTPError)?.code == .connectionLost
            }
            await client.close()
        }
    }

    @Test func `a connection closed while it idled is not used`() async throws {
        let closed = Harness.Log()
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(Self.empty)
            try await socket.closeNow()
            closed.add("closed")
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            for number in 1...5 {
                let response = try await client.execute(.GET, "/", timeout: .seconds(60))
                _ = try await response.body.collect(upTo: 10)
                try await eventually("the server closes it") { closed.all.count == number }
            }
            await client.close()
        }
    }

    @Test func `an idle connection is closed after its time`() async throws {
        var options = HTTPClientOptions()
        options.idleTimeout = .milliseconds(50)
        let ended = Harness.Log()
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(Self.empty)
            _ = await socket.readToEnd()
            ended.add("ended")
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, options: options, group: Harness.group)
            let response = try await client.execute(.GET, "/", timeout: .seconds(60))
            _ = try await response.body.collect(upTo: 10)
            try await eventually("it is closed") { ended.all == ["ended"] }
            await client.close()
        }
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\nContent-Le", "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Huge: " + String(repeating: "x", count: 1 << 20),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ])
    func `an answer that is none is an error`(answer: String) async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(answer)
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            await #expect(throws: HTTPError.self) { _ = try await client.execute(.GET, "/", timeout: .seconds(60)) }
            await client.close()
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ])
    func `a body cut short is an error`(answer: String) async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(answer)
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let response = try await client.execute(.GET, "/", timeout: .seconds(60))
            await #expect(throws: HTTPError.self) { _ = try await response.body.collect(upTo: 100) }
            await client.close()
        }
    }

    @Test func `a body that ends with its connection is whole`() async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write("HTTP/1.1 200 OK\r\n\r\nall of it")
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let response = try await client.execute(.GET, "/", timeout: .seconds(60))
            let body = try await response.body.collect(upTo: 100)
            #expect(String(buffer: body) == "all of it")
            await client.close()
        }
    }

    @Test func `a server that refuses a body stops its producer`() async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            _ = await socket.readToEnd()
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let response = try await client.execute(
                .POST, "/",
                body: .stream { writer in
                    try await writer.write(ByteBuffer(string: "begun"))
                    try await Task.sleep(for: .seconds(3600))
                }, timeout: .seconds(60))
            #expect(response.status == .payloadTooLarge)
            let body = try await response.body.collect(upTo: 100)
            #expect(String(buffer: body) == "no")
            await client.close()
        }
    }

    @Test func `a producer that fails ends the request with its error`() async throws {
        struct Broken: Error {}
        try await Harness.run { harness async throws in
            await #expect(throws: Broken.self) {
                _ = try await harness.client.execute(
                    .POST, "/echo",
                    body: .stream { writer in
                        try await writer.write(ByteBuffer(string: "begun"))
                        throw Broken()
                    }, timeout: .seconds(60))
            }
            try await eventually("the handler has ended") { harness.server.runningHandlers == 0 }
        }
    }

    @Test(arguments: ["/a b", "/a\r\nx: y", "", "/ü", "/a\u{0}"])
    func `a target that would break the request is not sent`(target: String) async throws {
        let client = HTTPClient(endpoint: .unix(path: "/nowhere/s"), group: Harness.group)
        await #expect { _ = try await client.execute(.GET, target, timeout: .seconds(1)) } throws: {
            ($0 as? HTTPError)?.code == .invalidArgument
        }
        await #expect {
            _ = try await client.upgrade(.GET, "/", headers: ["x": "a\r\nb"], to: "x", timeout: .seconds(1))
        } throws: { ($0 as? HTTPError)?.code == .invalidArgument }
    }

    @Test func `connecting ends with the task that wants it`() async throws {
        let seen = Harness.Log()
        // It accepts, and never says hello.
        try await RawSocket.server({ socket, _ in
            seen.add("accepted")
            _ = await socket.readToEnd()
            seen.add("ended")
        }) { endpoint in
            let tls = try TLSContext.client(.init(verification: .none))
            let client = HTTPClient(endpoint: endpoint, tls: tls, group: Harness.group)
            let request = Task { try await client.execute(.GET, "/", timeout: .seconds(60)) }
            try await eventually("it connects") { seen.all == ["accepted"] }
            request.cancel()
            await #expect(throws: CancellationError.self) { _ = try await request.value }
            try await eventually("the connection ends") { seen.all == ["accepted", "ended"] }
        }
    }

    @Test func `a body that is dropped closes its connection`() async throws {
        try await Harness.run { harness async throws in
            func begin() async throws {
                let response = try await harness.client.execute(.GET, "/follow", timeout: .seconds(60))
                var iterator = response.body.makeAsyncIterator()
                _ = try await iterator.next()
                try await eventually("it follows") { harness.log.all == ["following"] }
            }
            try await begin()
            try await eventually("it has stopped") { harness.log.all == ["following", "stopped"] }
        }
    }
}
