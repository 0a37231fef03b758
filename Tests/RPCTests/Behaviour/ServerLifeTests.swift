import NIOCore
import RPC
import Support
import Testing

@Suite struct ServerLifeTests {
    @Test func `draining lets running calls end and refuses new ones`() async throws {
        try await Harness.run { harness async throws in
            let stream = try await harness.client.openStream(TestService.streaming("Flood"), Blob("\(20 << 20)"))
            async let drained: Void = harness.server.drain(within: .seconds(20))
            var received = 0
            for try await blob in stream { received += blob.bytes.count }
            #expect(received == 20 << 20)
            await drained
            #expect(await status { _ = try await harness.call("Echo", Blob("")) }?.code == .unavailable)
        }
    }

    @Test func `a call that outlives the drain is ended`() async throws {
        try await Harness.run { harness async throws in
            async let error = status { _ = try await harness.call("Hang", Blob(""), timeout: nil) }
            try await eventually("the handler runs") { harness.service.running == 1 }
            await harness.server.drain(within: .milliseconds(100))
            #expect(await error?.code == .unavailable)
            try await eventually("the handler is cancelled") { harness.service.cancelled == 1 }
        }
    }

    @Test func `a peer that answers no ping is given up, and one that answers keeps its connection`() async throws {
        var limits = ServerLimits()
        limits.keepaliveInterval = .milliseconds(50)
        limits.keepaliveTimeout = .milliseconds(500)
        try await Harness.run(tcp: true, limits: limits) { harness async throws in
            let port = try await harness.call("Port", Blob("")).text
            // Never closed by this side: it ends because the server ends it.
            let heard = try await harness.raw(MalformedTests.preface, for: .minutes(1))
            let ping: [UInt8] = [0, 0, 8, 6, 0]
            #expect(heard.indices.contains { heard[$0...].starts(with: ping) })
            // Meanwhile the other was silent as well, for longer than the patience that cost its neighbour the connection.
            #expect(try await harness.call("Port", Blob("")).text == port)
        }
    }

    @Test func `connections over the limit are closed`() async throws {
        var limits = ServerLimits()
        limits.connections = 1
        try await Harness.run(limits: limits) { harness async throws in
            #expect(try await harness.call("Echo", Blob("first")).text == "first")
            #expect(try await harness.raw([]) == [])
            #expect(try await harness.call("Echo", Blob("still")).text == "still")
        }
    }

    @Test func `more calls than the connection may carry wait their turn`() async throws {
        var limits = ServerLimits()
        limits.concurrentStreams = 4
        try await Harness.run(limits: limits) { harness async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let answer = try await harness.call("EchoLater", Blob("\(number)"))
                        #expect(answer.text == "\(number)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `headers over the limit end the call, not the connection`() async throws {
        var limits = ServerLimits()
        limits.headers = 4096
        try await Harness.run(limits: limits) { harness async throws in
            let error = await status {
                _ = try await harness.call("Echo", Blob(""), metadata: ["x-large": String(repeating: "x", count: 8000)])
            }
            #expect(error?.code == .resourceExhausted)
            #expect(try await harness.call("Echo", Blob("fine")).text == "fine")
        }
    }

    @Test func `a client that opens and resets calls without end is sent away`() async throws {
        var limits = ServerLimits()
        limits.resets = 50
        try await Harness.run(limits: limits) { harness async throws in
            for _ in 0..<60 {
                let call = Task { try await harness.call("Hang", Blob(""), timeout: nil) }
                try await eventually("the call runs or the connection is new") {
                    harness.service.running >= 1 || call.isCancelled
                }
                call.cancel()
                _ = await call.result
            }
            try await eventually("every handler was cancelled") { harness.service.running == 0 }
            #expect(try await harness.call("Echo", Blob("a new connection")).text == "a new connection")
        }
    }
}
