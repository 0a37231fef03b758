import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Sockets
import Support
import Testing

@Suite struct ExchangeTests {
    @Test(arguments: [false, true])
    func `requests follow each other on one connection`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            for number in 0..<20 {
                let (status, text) = try await harness.text(.GET, "/hello?name=a%20b&name=\(number)")
                #expect(status == .ok)
                #expect(text == "hello a b,\(number)")
            }
        }
    }

    @Test func `bodies go up and come down whole, with and without a length`() async throws {
        try await Harness.run { harness async throws in
            let bytes = ByteBuffer(bytes: (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0) })
            let plain = try await harness.client.execute(.POST, "/echo", body: .bytes(bytes), timeout: .seconds(60))
            let plainBody = try await plain.body.collect(upTo: 64 << 20)
            #expect(plainBody == bytes)
            let chunked = try await harness.client.execute(
                .POST, "/echo",
                body: .stream { writer in
                    var rest = bytes
                    while let chunk = rest.readSlice(length: min(100_000, max(1, rest.readableBytes))) {
                        try await writer.write(chunk)
                    }
                }, timeout: .seconds(60))
            let chunkedBody = try await chunked.body.collect(upTo: 64 << 20)
            #expect(chunkedBody == bytes)
        }
    }

    @Test func `a slow reader holds the producer back`() async throws {
        try await Harness.run { harness async throws in
            let response = try await harness.client.execute(.GET, "/stream?count=1600", timeout: .seconds(60))
            var iterator = response.body.makeAsyncIterator()
            var received = try #require(try await iterator.next()).readableBytes
            // 100 MB wait; what is not read is not sent.
            var produced = -1
            try await eventually("the producer stands still") {
                defer { produced = harness.log.all.count }
                try await Task.sleep(for: .milliseconds(50))
                return produced == harness.log.all.count
            }
            #expect(produced < 200)
            while let bytes = try await iterator.next() { received += bytes.readableBytes }
            #expect(received == 1600 * (64 << 10))
        }
    }

    @Test func `a response that breaks off is an error, not an end`() async throws {
        try await Harness.run { harness async throws in
            let response = try await harness.client.execute(.GET, "/cut", timeout: .seconds(60))
            await #expect(throws: HTTPError.self) { _ = try await response.body.collect(upTo: 100) }
        }
    }

    @Test func `a body nobody reads does not block the answer`() async throws {
        try await Harness.run { harness async throws in
            let (status, text) = try await harness.text(
                .POST, "/ignore", body: .bytes(ByteBuffer(repeating: 1, count: 1000)))
            #expect(status == .forbidden)
            #expect(text == "no")
            let (next, _) = try await harness.text(.GET, "/hello")
            #expect(next == .ok)
        }
    }

    @Test func `time and cancellation end a request and its handler`() async throws {
        try await Harness.run { harness async throws in
            await #expect { _ = try await harness.client.execute(.GET, "/hang", timeout: .seconds(1)) } throws: {
                ($0 as? HTTPError)?.code == .timedOut
            }
            try await eventually("the handler is cancelled") { harness.log.all == ["hanging", "cancelled"] }
            let request = Task { try await harness.client.execute(.GET, "/hang", timeout: nil) }
            try await eventually("it runs") { harness.log.all.count == 3 }
            request.cancel()
            await #expect(throws: CancellationError.self) { _ = try await request.value }
            try await eventually("the handler is cancelled") { harness.log.all.count == 4 }
        }
    }

    @Test func `nobody listening is said with the endpoint`() async throws {
        let client = HTTPClient(endpoint: .unix(path: "/nowhere/s"), group: Harness.group)
        await #expect { _ = try await client.execute(.GET, "/", timeout: .seconds(1)) } throws: {
            ($0 as? HTTPError)?.code == .unavailable && "\($0)".contains("unix:///nowhere/s")
        }
    }

    @Test func `draining ends a connection after its request`() async throws {
        try await Harness.run { harness async throws in
            let response = try await harness.client.execute(.GET, "/stream?count=100", timeout: .seconds(60))
            async let drained: Void = harness.server.drain(within: .seconds(20))
            let body = try await response.body.collect(upTo: 64 << 20)
            #expect(body.readableBytes == 100 * (64 << 10))
            await drained
            await #expect(throws: HTTPError.self) {
                _ = try await harness.client.execute(.GET, "/hello", timeout: .seconds(1))
            }
        }
    }
}
