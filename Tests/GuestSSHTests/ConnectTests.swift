import Foundation
import GuestSSH
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Support
import Testing

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct ConnectTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("the first host key is handed over once, before anybody logs in, and kept")
    func firstKey() async throws {
        try await withServer { server in
            let seen = NIOLockedValueBox<[String]>([])
            var configuration = server.configuration
            configuration.hostKeyPin = nil
            let link = GuestLink(
                configuration, onHostKey: { key in seen.withLockedValue { $0.append(key) } }, logger: Self.quiet)
            let process = try await link.run(GuestCommand(["sleep", "1000"]))
            await server.kill()
            // From here on a new connection is needed.
            try await fails(with: .connectionLost) { _ = try await process.wait() }
            try await server.start()
            try await link.waitUntilReachable(within: .seconds(20))
            #expect(seen.withLockedValue { $0 } == [try server.hostKey])
            await link.close()
        }
    }

    @Test("a host key that cannot be kept is not trusted")
    func unkeptKey() async throws {
        struct Full: Error {}
        try await withServer { server in
            var configuration = server.configuration
            configuration.hostKeyPin = nil
            let link = GuestLink(configuration, onHostKey: { _ in throw Full() }, logger: Self.quiet)
            await #expect(throws: Full.self) { try await link.probe(timeout: .seconds(20)) }
            await link.close()
        }
    }

    @Test("another host key than the pinned one is refused, and both are named")
    func changedKey() async throws {
        try await withServer { server in
            let old = try server.hostKey
            let link = server.link()
            let process = try await link.run(GuestCommand(["sleep", "1000"]))
            await server.kill()
            // From here on a new connection is needed.
            try await fails(with: .connectionLost) { _ = try await process.wait() }
            try await SSHServer.makeKey("\(server.directory)/host", "ed25519")
            try await server.start()
            do {
                try await link.waitUntilReachable(within: .seconds(20))
                Issue.record("let in")
            } catch let error as GuestSSHError {
                #expect(error.code == .hostKeyChanged)
                #expect(error.message.contains(old))
                #expect(error.message.contains(try server.hostKey))
            }
            await link.close()
        }
    }

    @Test("a pin of another kind than the server's first key is asked for")
    func otherKind() async throws {
        try await withServer { server in
            let key = try String(contentsOfFile: "\(server.directory)/host-ecdsa.pub", encoding: .utf8)
            let link = server.link { $0.hostKeyPin = key }
            #expect(try await link.shell("echo in").text == "in\n")
            await link.close()
            try await fails(with: .invalidArgument) {
                try await server.link { $0.hostKeyPin = "nonsense" }.probe(timeout: .seconds(9))
            }
        }
    }

    @Test("ECDSA keys are good, in PEM form too", arguments: ["-tecdsa", "-tecdsa -mPEM", "-ted25519"])
    func kinds(options: String) async throws {
        try await withServer { server in
            let file = "\(server.directory)/other"
            let made = try await ChildProcess.run(
                "/usr/bin/ssh-keygen", options.split(separator: " ").map(String.init) + ["-q", "-N", "", "-f", file])
            #expect(made.code == 0)
            let key = try String(contentsOfFile: "\(file).pub", encoding: .utf8)
            try key.write(toFile: "\(server.directory)/authorized_keys", atomically: true, encoding: .utf8)
            let link = server.link { $0.keyFile = file }
            #expect(try await link.shell("echo in").text == "in\n")
            await link.close()
        }
    }

    @Test("a key the server does not know: said at once, and not tried again")
    func wrongKey() async throws {
        try await withServer { server in
            try await SSHServer.makeKey("\(server.directory)/stranger", "ed25519")
            let link = server.link { $0.keyFile = "\(server.directory)/stranger" }
            let start = ContinuousClock.now
            try await fails(with: .authentication) { try await link.waitUntilReachable(within: .seconds(60)) }
            #expect(ContinuousClock.now - start < .seconds(30))
            try await fails(with: .authentication) { _ = try await link.shell("true") }
            await link.close()
        }
    }

    @Test("a wrong password, or nothing to log in with, is said as such")
    func wrongPassword() async throws {
        try await withServer(options: "PasswordAuthentication yes") { server in
            let file = "\(server.directory)/password"
            try "wrong\n".write(toFile: file, atomically: true, encoding: .utf8)
            let link = server.link {
                $0.keyFile = nil
                $0.passwordFile = file
            }
            try await fails(with: .authentication) { try await link.probe(timeout: .seconds(60)) }
            await link.close()
            let bare = server.link { $0.keyFile = nil }
            try await fails(with: .authentication) { try await bare.probe(timeout: .seconds(60)) }
            await bare.close()
        }
    }

    @Test("keys that cannot work are refused before anybody is called, with the reason")
    func badKeys() async throws {
        try await withTemporaryDirectory { directory in
            func refusal(_ file: String) async throws -> String {
                let configuration = GuestSSHConfiguration(host: "127.0.0.1", port: 1, user: "nobody", keyFile: file)
                do {
                    try await GuestLink(configuration, onHostKey: { _ in }, logger: Self.quiet).probe(
                        timeout: .seconds(20))
                } catch let error as GuestSSHError where error.code == .badKey {
                    return error.message
                }
                return ""
            }
            try await SSHServer.makeKey("\(directory)/rsa", "rsa")
            #expect(try await refusal("\(directory)/rsa").contains("RSA"))
            try await SSHServer.makeKey("\(directory)/locked", "ed25519", passphrase: "secret")
            #expect(try await refusal("\(directory)/locked").contains("passphrase"))
            #expect(try await refusal("\(directory)/none").contains("cannot be read"))
            #expect(try await refusal("/etc/passwd").contains("no private key"))
        }
    }

    @Test("a key with a passphrase is used with it, and refused with another one")
    func passphrases() async throws {
        try await withServer { server in
            let key = "\(server.directory)/locked"
            try FileManager.default.copyItem(atPath: "\(server.directory)/user", toPath: key)
            let locked = try await ChildProcess.run(
                "/usr/bin/ssh-keygen", ["-q", "-p", "-P", "", "-N", "open sesame", "-f", key])
            #expect(locked.code == 0, "\(locked.errors)")
            let words = "\(server.directory)/words"
            try Data("open sesame\n".utf8).write(to: URL(filePath: words))
            let link = server.link {
                $0.keyFile = key
                $0.passphraseFile = words
            }
            try await link.probe(timeout: .seconds(60))
            await link.close()
            try Data("shut\n".utf8).write(to: URL(filePath: words))
            let other = server.link {
                $0.keyFile = key
                $0.passphraseFile = words
            }
            do {
                try await other.probe(timeout: .seconds(60))
                Issue.record("a wrong passphrase opened the key")
            } catch let error as GuestSSHError {
                #expect(error.code == .badKey && error.message.contains("passphrase"), "\(error)")
            }
            await other.close()
        }
    }

    @Test("the key exchanges that are asked for are offered, and names nobody knows refused")
    func keyExchanges() async throws {
        try await withServer(options: "KexAlgorithms ecdh-sha2-nistp256") { server in
            let link = server.link { $0.keyExchanges = ["ecdh-sha2-nistp256", "curve25519-sha256"] }
            try await link.probe(timeout: .seconds(60))
            await link.close()
            let unknown = server.link { $0.keyExchanges = ["rot13"] }
            try await fails(with: .invalidArgument) { try await unknown.probe(timeout: .seconds(20)) }
            await unknown.close()
            let other = server.link { $0.keyExchanges = ["ecdh-sha2-nistp521"] }
            try await fails(with: .unreachable) { try await other.probe(timeout: .seconds(20)) }
            await other.close()
        }
    }

    @Test("nobody there is refused; somebody who accepts and says nothing is silent, and soon")
    func nobody() async throws {
        let configuration = GuestSSHConfiguration(
            host: "127.0.0.1", port: try FreePort.find(), user: "nobody", bannerTimeout: .milliseconds(100))
        let link = GuestLink(configuration, onHostKey: { _ in }, logger: Self.quiet)
        try await fails(with: .refused) { try await link.probe(timeout: .seconds(20)) }
        let (descriptor, port) = try FreePort.listen()
        defer { close(descriptor) }
        var other = configuration
        other.port = port
        let silent = GuestLink(other, onHostKey: { _ in }, logger: Self.quiet)
        try await fails(with: .silent) { try await silent.probe(timeout: .seconds(20)) }
        other.bannerTimeout = .seconds(60)
        other.connectTimeout = .seconds(60)
        let patient = GuestLink(other, onHostKey: { _ in }, logger: Self.quiet)
        try await fails(with: .timeout) { try await patient.probe(timeout: .milliseconds(1)) }
        await link.close()
        await silent.close()
        await patient.close()
        try await fails(with: .closed) { try await link.probe(timeout: .seconds(1)) }
    }

    @Test("a server that speaks in time may take longer over the key exchange than over its first word")
    func busy() async throws {
        try await withServer { server in
            let cable = Cable(to: server.port, latency: .milliseconds(1200))
            let port = try await cable.start()
            let link = server.link {
                $0.port = port
                $0.connectTimeout = .seconds(3)
                $0.bannerTimeout = .seconds(3)
            }
            // Every try is as slow: what did not fit in one would fit in none.
            try await link.waitUntilReachable(within: .seconds(60))
            await link.close()
            await cable.stop()
            // Its patience has an end.
            let hasty = server.link { $0.keyExchangeTimeout = .zero }
            try await fails(with: .timeout) { try await hasty.probe(timeout: .seconds(20)) }
            await hasty.close()
        }
    }

    @Test("who waits for a connection that is broken off while it is made gets another; after the end nobody waits")
    func brokenOff() async throws {
        let greeted = NIOLockedValueBox(0)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Greeter(greeted))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        var configuration = GuestSSHConfiguration(
            host: "127.0.0.1", port: try #require(server.localAddress?.port), user: "nobody")
        // Nobody knocks twice.
        (configuration.connectTimeout, configuration.bannerTimeout) = (.seconds(3600), .seconds(3600))
        configuration.keyExchangeTimeout = .seconds(3600)
        let link = GuestLink(configuration, onHostKey: { _ in }, logger: Self.quiet)
        let waiting = Task { try await link.run(GuestCommand(["true"])) }
        for round in 1...3 {
            try await eventually("connection \(round) is made") { greeted.withLockedValue { $0 } == round }
            if round < 3 { await link.disconnect() }
        }
        await link.close()
        try await fails(with: .closed) { _ = try await waiting.value }
        try await server.close()
    }

    /// Speaks, and exchanges no keys.
    private final class Greeter: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let count: NIOLockedValueBox<Int>

        init(_ count: NIOLockedValueBox<Int>) { self.count = count }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "SSH-2.0-Silence\r\n")), promise: nil)
            count.withLockedValue { $0 += 1 }
        }
    }

    @Test("a guest whose network answers is asked once, and waited for: every question has it start a process")
    func askedOnce() async throws {
        let asked = NIOLockedValueBox(0)
        let hasSpoken = NIOLockedValueBox(false)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                let number = asked.withLockedValue { asked in
                    asked += 1
                    return asked
                }
                // Its server is not there yet; then it is slow.
                if number == 1 {
                    channel.eventLoop.execute { channel.close(promise: nil) }
                    return channel.eventLoop.makeSucceededVoidFuture()
                }
                channel.eventLoop.scheduleTask(in: .seconds(3)) {
                    channel.writeAndFlush(ByteBuffer(string: "SSH-2.0-Slow\r\n"), promise: nil)
                    hasSpoken.withLockedValue { $0 = true }
                }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let configuration = GuestSSHConfiguration(
            host: "127.0.0.1", port: try #require(server.localAddress?.port), user: "nobody",
            connectTimeout: .seconds(60), keyExchangeTimeout: .seconds(3600), bannerTimeout: .seconds(16))
        let link = GuestLink(configuration, onHostKey: { _ in }, logger: Self.quiet)
        let reaching = Task { try await link.waitUntilReachable(within: .seconds(3600)) }
        try await eventually("it speaks") { hasSpoken.withLockedValue { $0 } }
        #expect(asked.withLockedValue { $0 } == 2)
        await link.close()
        reaching.cancel()
        _ = await reaching.result
        try await server.close()
    }

    @Test("waiting for a guest that boots: refused, silent, then there")
    func booting() async throws {
        try await withServer { server in
            await server.kill()
            let link = server.link { $0.bannerTimeout = .milliseconds(50) }
            async let reached: Void = link.waitUntilReachable(within: .seconds(60))
            try await Task.sleep(for: .milliseconds(200))
            try await server.start()
            server.freeze()
            try await Task.sleep(for: .milliseconds(300))
            server.thaw()
            try await reached
            await link.close()
        }
    }
}
