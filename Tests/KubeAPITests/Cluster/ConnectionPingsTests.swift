import NIOCore
import NIOEmbedded
import NIOHTTP2
import Testing

@testable import KubeAPI

struct ConnectionPingsTests {
    private func connected() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: ConnectionPings())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 443)).wait()
        return channel
    }

    private func isPing(_ frame: HTTP2Frame?) -> Bool {
        if case .ping(_, ack: false)? = frame?.payload { frame?.streamID == .rootStream } else { false }
    }

    @Test func `a connection whose other end answers lasts, and is asked every half minute`() throws {
        let channel = try connected()
        for _ in 0..<3 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(29))
            #expect(try channel.readOutbound(as: HTTP2Frame.self) == nil)
            channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            let asked = try #require(try channel.readOutbound(as: HTTP2Frame.self))
            #expect(isPing(asked))
            guard case .ping(let data, _) = asked.payload else { return }
            channel.embeddedEventLoop.advanceTime(by: .seconds(14))
            try channel.writeInbound(HTTP2Frame(streamID: .rootStream, payload: .ping(data, ack: true)))
        }
        #expect(channel.isActive)
        _ = try channel.finish()
    }

    @Test func `one whose other end does not, or answers something else, ends`() throws {
        let channel = try connected()
        channel.embeddedEventLoop.advanceTime(by: .seconds(30))
        #expect(isPing(try channel.readOutbound(as: HTTP2Frame.self)))
        try channel.writeInbound(
            HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(withInteger: 1), ack: true)))
        channel.embeddedEventLoop.advanceTime(by: .seconds(14))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
    }
}
