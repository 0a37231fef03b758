import NIOCore
import Testing

@testable import RPC

@Suite struct HealthTests {
    @Test func `the server and each of its services serve; others are unknown`() async throws {
        try await Harness.run { harness async throws in
            for service in ["", "test.Service"] {
                let answer = try await harness.client.call(
                    HealthRequest.check, HealthRequest(service: service), timeout: .seconds(5))
                #expect(answer.status == .serving)
            }
            let error = await status {
                _ = try await harness.client.call(
                    HealthRequest.check, HealthRequest(service: "other"), timeout: .seconds(5))
            }
            #expect(error?.code == .notFound)
        }
    }

    @Test func `a watcher hears of changes`() async throws {
        try await Harness.run { harness async throws in
            var watch = try harness.client.stream(HealthRequest.watch, HealthRequest(service: "test.Service"))
                .makeAsyncIterator()
            #expect(try await watch.next()?.status == .serving)
            harness.server.health.set("test.Service", serving: false)
            #expect(try await watch.next()?.status == .notServing)
            harness.server.health.set("test.Service", serving: true)
            #expect(try await watch.next()?.status == .serving)
            var unknown = try harness.client.stream(HealthRequest.watch, HealthRequest(service: "other"))
                .makeAsyncIterator()
            #expect(try await unknown.next()?.status == .serviceUnknown)
        }
    }

    @Test func `its messages survive their wire form`() throws {
        for service in ["", "a", String(repeating: "long", count: 100)] {
            var bytes = ByteBuffer()
            HealthRequest(service: service).appendWireBytes(to: &bytes)
            #expect(
                try bytes.withUnsafeReadableBytes { try HealthRequest(wireBytes: $0) }
                    == HealthRequest(service: service))
        }
        for bytes: [UInt8] in [
            [0x0a], [0x0a, 0x05, 0x61], [0x0a, 0x01, 0xff],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            #expect(throws: RPCError.self) { try bytes.withUnsafeBytes { try HealthRequest(wireBytes: $0) } }
        }
    }
}
