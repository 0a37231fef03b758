import Logging
import NIOPosix
import Testing

@testable import KubeAPI

/// However many watches there are, other requests have connections of their own.
@Suite struct WatchLaneTests {
    private func transport() -> KubeTransport {
        KubeTransport(
            ClusterConnection(server: .init(isEncrypted: false, host: "127.0.0.1", port: 1)), userAgent: "test",
            group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
    }

    /// Holds so many lanes while the body runs.
    private func holding(_ count: Int, of transport: KubeTransport, _ body: () async throws -> Void) async throws {
        guard count > 0 else { return try await body() }
        try await transport.withLane { _ in try await holding(count - 1, of: transport, body) }
    }

    @Test func `watches share a connection with no more others than a server allows, and it goes with the last`()
        async throws
    {
        let transport = transport()
        try await holding(KubeTransport.laneCapacity, of: transport) { () async throws in
            #expect(transport.lanes == 1)
            try await holding(KubeTransport.laneCapacity + 1, of: transport) { #expect(transport.lanes == 3) }
            #expect(transport.lanes == 1)
        }
        #expect(transport.lanes == 1)
        await transport.shutdown()
    }

    @Test func `a new network gets new connections for watches, and a client that has ended none`() async throws {
        let transport = transport()
        try await transport.withLane { _ async throws in
            transport.reconnect()
            #expect(transport.lanes == 0)
            try await transport.withLane { _ in #expect(transport.lanes == 1) }
        }
        #expect(transport.lanes == 1)
        await transport.shutdown()
        await #expect(throws: KubeAPIError.self) { try await transport.withLane { _ in } }
    }
}
