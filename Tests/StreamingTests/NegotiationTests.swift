import HTTP
import NIOCore
import NIOHTTP1
import Sockets
import Testing

@testable import Streaming

@Suite struct NegotiationTests {
    private static let command = RemoteCommand(options: .init(stdin: false, stdout: true, stderr: false, tty: false)) {
        _ in
        .exited(code: 0)
    }

    @Test(arguments: [
        (
            ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"],
            "v4.channel.k8s.io"
        ),
        (["v3.channel.k8s.io", "v4.channel.k8s.io"], "v3.channel.k8s.io"),
        (["v2.channel.k8s.io"], "v2.channel.k8s.io"), (["channel.k8s.io"], "channel.k8s.io"),
        (["v9.channel.k8s.io, v4.channel.k8s.io", "v2.channel.k8s.io"], "v4.channel.k8s.io"),
    ])
    func `the first protocol of the caller's that is spoken here is chosen`(offered: [String], chosen: String)
        async throws
    {
        try await Harness.run { harness async throws in
            let (head, connection) = try await Self.upgrade(harness, .exec(Self.command), offered)
            #expect(head.status == .switchingProtocols)
            #expect(head.headers[ChannelProtocol.header] == [chosen])
            #expect(head.headers["upgrade"] == ["SPDY/3.1"])
            await connection.close()
        }
    }

    @Test func `what cannot be negotiated is refused with the reason`() async throws {
        try await Harness.run { harness async throws in
            await #expect { _ = try await Self.upgrade(harness, .exec(Self.command), ["v5.channel.k8s.io"]) } throws: {
                error in
                guard let refused = error as? HTTPUpgradeRefused else { return false }
                return refused.status == .forbidden && refused.text.contains("v5.channel.k8s.io")
            }
            await #expect { _ = try await Self.upgrade(harness, .exec(Self.command), []) } throws: { error in
                (error as? HTTPUpgradeRefused)?.status == .badRequest
            }
            let forward = StreamingRequest.portForward(PortForward { _, _ in })
            await #expect { _ = try await Self.upgrade(harness, forward, ["v4.channel.k8s.io"]) } throws: { error in
                (error as? HTTPUpgradeRefused)?.status == .forbidden
            }
        }
    }

    @Test func `a request without the upgrade is refused, and does not spend its token`() async throws {
        try await Harness.run { harness async throws in
            let token = try harness.server.register(.exec(Self.command))
            let url = try StreamingURL("\(harness.base)/exec/\(token)")
            let client = HTTPClient(endpoint: url.endpoint, group: Harness.group)
            let answer = try await client.execute(.POST, url.target, timeout: .seconds(10))
            #expect(answer.status == .badRequest)
            _ = try await answer.body.collect(upTo: 1000)
            let result = try await RemoteCommandClient.run(
                url: "\(harness.base)/exec/\(token)", options: Self.command.options, group: Harness.group,
                logger: Harness.logger)
            #expect(result == .exited(code: 0))
        }
    }

    @Test(arguments: ["", "http://", "ftp://h/x", "http://h:0/x", "http://h:99999/", "http://[::1/x", "h:1/x"])
    func `what is no streaming URL is refused`(text: String) {
        #expect(throws: StreamingError.self) { _ = try StreamingURL(text) }
    }

    @Test func `streaming URLs are taken apart`() throws {
        let plain = try StreamingURL("http://[::1]:81/exec/t?x=1")
        #expect(plain.endpoint == .tcp(host: "::1", port: 81))
        #expect(plain.target == "/exec/t?x=1")
        #expect(plain.host == "[::1]:81")
        let secure = try StreamingURL("https://node")
        #expect(secure.isTLS)
        #expect(secure.endpoint == .tcp(host: "node", port: 443))
        #expect(secure.target == "/")
        #expect(try StreamingURL("http://h?x=1").target == "/?x=1")
    }

    private static func upgrade(
        _ harness: Harness, _ request: StreamingRequest, _ offered: [String]
    ) async throws -> (HTTPResponseHead, RawConnection) {
        let url = try StreamingURL("\(harness.base)/\(request.kind)/\(harness.server.register(request))")
        return try await HTTPClient(endpoint: url.endpoint, group: Harness.group).upgrade(
            .POST, url.target,
            headers: HTTPHeaders([("host", url.host)] + offered.map { (ChannelProtocol.header, $0) }),
            to: ChannelProtocol.spdy, timeout: .seconds(10))
    }
}
