import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Support
import TLS
import Testing

@Suite("TLS with others") struct InteropTests {
    @Test("openssl s_client is served", arguments: ["-tls1_2", "-tls1_3"])
    func client(version: String) async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            certificates.server.applicationProtocols = ["h2", "http/1.1"]
            let peer = NIOLockedValueBox<PeerIdentity?>(nil)
            let server = try await EchoServer(
                context: .server(certificates.server), closesAfterLine: true,
                handshake: { _, identity in peer.withLockedValue { $0 = identity } })
            let outcome = try await openssl(
                "s_client", "-connect", "127.0.0.1:\(server.port)", "-servername", "localhost", version, "-quiet",
                "-verify_return_error", "-verify_hostname", "localhost", "-CAfile",
                certificates.authority.certificateFile,
                "-cert", directory + "/alice.crt", "-key", directory + "/alice.key", "-alpn", "http/1.1",
                input: "hello over \(version)\n")
            #expect(outcome.output == "hello over \(version)\n", "\(outcome.errors)")
            await server.close()
            #expect(peer.withLockedValue { $0?.commonName } == "alice")
        }
    }

    @Test("older versions than TLS 1.2 are refused", arguments: ["-tls1", "-tls1_1"])
    func old(version: String) async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let errors = NIOLockedValueBox<[TLSError]>([])
            let server = try await EchoServer(context: .server(certificates.server)) { error in
                errors.withLockedValue { $0.append(error) }
            }
            let outcome = try await openssl(
                "s_client", "-connect", "127.0.0.1:\(server.port)", version, "-cipher", "ALL:@SECLEVEL=0", input: "")
            #expect(outcome.code != 0)
            await server.close()
            #expect(errors.withLockedValue { $0.map(\.message) } == ["the TLS handshake failed: unsupported protocol"])
        }
    }

    @Test("openssl s_server is talked to", arguments: ["-tls1_2", "-tls1_3"])
    func server(version: String) async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let server = try ChildProcess(
                "/usr/bin/env",
                [
                    "openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", version, "-rev", "-Verify", "1",
                    "-verify_return_error", "-CAfile", certificates.authority.certificateFile, "-cert",
                    directory + "/server.crt", "-key", directory + "/server.key", "-alpn", "h2",
                ])
            defer { server.send(SIGKILL) }
            let port = try await port(of: server)
            var client = certificates.client
            client.applicationProtocols = ["h2"]
            let answer = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: String.self)
            let context = try TLSContext.client(client)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers(
                            TLSHandler(context: context, serverName: "localhost"), Line(answer))
                    }
                }
                .connect(host: "127.0.0.1", port: port).get()
            try await channel.writeAndFlush(ByteBuffer(string: "stressed\n"))
            #expect(try await answer.futureResult.get() == "h2 desserts")
            try await channel.close()
            #expect(await server.wait().code == 0)
        }
    }

    /// The port s_server says it listens on.
    private func port(of server: ChildProcess) async throws -> Int {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline, server.isRunning {
            if let line = server.output.split(separator: "\n").dropLast(0).first(where: { $0.hasPrefix("ACCEPT") }),
                server.output.contains(line + "\n"), let colon = line.lastIndex(of: ":"),
                let port = Int(line[line.index(after: colon)...])
            {
                return port
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("openssl s_server did not start: \(server.output) \(server.errors)")
        throw CancellationError()
    }

    @Test("a channel that reads only when asked still completes its handshake, and is fed")
    func pulling() async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let server = try await EchoServer(
                context: .server(certificates.server), autoRead: false, closesAfterLine: true)
            let outcome = try await openssl(
                "s_client", "-connect", "127.0.0.1:\(server.port)", "-quiet", "-cert", directory + "/alice.crt",
                "-key", directory + "/alice.key", input: "pulled\n")
            #expect(outcome.output == "pulled\n", "\(outcome.errors)")
            await server.close()
        }
    }

    @Test("who does not speak TLS gets an alert and the end")
    func plain() async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let server = try await EchoServer(context: .server(certificates.server))
            for greeting in ["SSH-2.0-x\r\n", "\0\0\0\0\0\0\0\0\0\0", String(repeating: "x", count: 100_000)] {
                let answer = try await plainConnection(port: server.port, sending: Array(greeting.utf8))
                #expect(answer.isEmpty || answer.first == 21, "an alert")
            }
            _ = try await plainConnection(port: server.port, sending: [22, 3], thenClose: true)
            await server.close()
        }
    }

    @Test("who says nothing is closed in time")
    func silent() async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let codes = NIOLockedValueBox<[TLSError.Code]>([])
            let server = try await EchoServer(
                context: .server(certificates.server), handshakeTimeout: .milliseconds(30)
            ) { error in
                codes.withLockedValue { $0.append(error.code) }
            }
            #expect(try await plainConnection(port: server.port, sending: [22]).isEmpty)
            await server.close()
            #expect(codes.withLockedValue { $0 } == [.timedOut])
        }
    }
}

/// The protocol that was chosen and the first line that came.
private final class Line: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let promise: EventLoopPromise<String>
    private var text = ""
    init(_ promise: EventLoopPromise<String>) { self.promise = promise }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name?, _)? = event as? TLSEvent { text = name + " " }
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
        if text.hasSuffix("\n") { promise.succeed(String(text.dropLast())) }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
    func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}
