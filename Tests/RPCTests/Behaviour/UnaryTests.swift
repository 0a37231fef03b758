import NIOCore
import RPC
import Testing

@Suite struct UnaryTests {
    @Test(arguments: [false, true], ["Echo", "EchoEncoded", "EchoLater"])
    func `a unary call answers, however its handler does`(tcp: Bool, method: String) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            #expect(try await harness.call(method, Blob("hello")) == Blob("hello"))
            #expect(try await harness.call(method, Blob("")) == Blob(""))
        }
    }

    @Test func `many calls share one connection`() async throws {
        try await Harness.run { harness async throws in
            try await withThrowingTaskGroup(of: (Int, Blob).self) { group in
                for number in 0..<500 {
                    group.addTask {
                        (number, try await harness.call(number % 2 == 0 ? "Echo" : "EchoLater", Blob("\(number)")))
                    }
                }
                for try await (number, answer) in group { #expect(answer.text == "\(number)") }
            }
        }
    }

    @Test(arguments: 1...16)
    func `every status arrives with its message and metadata`(code: Int) async throws {
        try await Harness.run { harness async throws in
            let message = "100 % of café\nline two \u{1F980}"
            let error = await status { _ = try await harness.call("Fail", Blob("\(code) \(message)")) }
            #expect(error?.code.rawValue == code)
            #expect(error?.message == message)
            #expect(error?.metadata["x-detail"] == "kept")
        }
    }

    @Test func `an error without a status is UNKNOWN, one that knows its status keeps it`() async throws {
        try await Harness.run { harness async throws in
            let plain = await status { _ = try await harness.call("FailLater", Blob("")) }
            #expect(plain?.code == .unknown)
            #expect(plain?.message.contains("a thing that no status describes") == true)
            let mapped = await status { _ = try await harness.call("FailMapped", Blob("")) }
            #expect(mapped?.code == .failedPrecondition)
        }
    }

    @Test func `an unknown method is UNIMPLEMENTED`() async throws {
        try await Harness.run { harness async throws in
            let error = await status { _ = try await harness.call("Nothing", Blob("")) }
            #expect(error?.code == .unimplemented)
            #expect(error?.message.contains("/test.Service/Nothing") == true)
        }
    }

    @Test func `a request that cannot be read is INVALID_ARGUMENT`() async throws {
        try await Harness.run { harness async throws in
            #expect(await status { _ = try await harness.call("Echo", Blob("malformed")) }?.code == .invalidArgument)
        }
    }

    @Test func `metadata arrives, repeated names included`() async throws {
        try await Harness.run { harness async throws in
            var metadata = Metadata()
            metadata.add("X-Name", "one")
            metadata.add("x-name", "two")
            #expect(try await harness.call("Metadata", Blob("x-name"), metadata: metadata).text == "one|two")
        }
    }

    @Test func `messages up to the limit pass, larger ones are RESOURCE_EXHAUSTED both ways`() async throws {
        var limits = ServerLimits()
        limits.message = 1 << 20
        var options = RPCClientOptions()
        options.messageLimit = 2 << 20
        try await Harness.run(limits: limits, options: options) { harness async throws in
            let full = [UInt8](repeating: 3, count: 1 << 20)
            #expect(try await harness.call("Count", Blob(full)).text == "\(1 << 20)")
            #expect(try await harness.call("Size", Blob("\(1 << 20)")).bytes.count == 1 << 20)
            // What is refused by the server, by its length prefix …
            #expect(await status { _ = try await harness.call("Count", Blob(full + [3])) }?.code == .resourceExhausted)
            // … what the server would send, and what the client would.
            #expect(
                await status { _ = try await harness.call("Size", Blob("\((1 << 20) + 1)")) }?.code
                    == .resourceExhausted)
            let huge = Blob([UInt8](repeating: 3, count: (2 << 20) + 1))
            #expect(await status { _ = try await harness.call("Count", huge) }?.code == .resourceExhausted)
            #expect(try await harness.call("Echo", Blob("still here")).text == "still here")
        }
    }

    @Test func `nobody listening is UNAVAILABLE and names the endpoint`() async throws {
        try await Harness.run { harness async throws in
            await harness.server.drain(within: .seconds(1))
            let error = await status { _ = try await harness.call("Echo", Blob("")) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("\(harness.endpoint)") == true)
        }
    }
}
