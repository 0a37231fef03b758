import NIOCore
import NIOPosix
import Sockets
import Support
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A short-named directory of its own for each test, gone afterwards.
struct ScratchDirectory: ~Copyable {
    let path: String

    init() {
        var template = Array("/tmp/vzs-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { preconditionFailure("mkdtemp: \(errno)") }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        Self.remove(path)
    }

    private static func remove(_ directory: String) {
        if let stream = opendir(directory) {
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                let path = directory + "/" + name
                if unlink(path) != 0 { remove(path) }
            }
            closedir(stream)
        }
        rmdir(directory)
    }
}

func status(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
}

func permissions(_ path: String) -> Int? {
    status(path).map { Int($0.st_mode & 0o7777) }
}

/// A server that echoes.
func echo() -> ServerBootstrap {
    ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(EchoHandler()) }
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }
}

private final class FirstBytes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let promise: EventLoopPromise<String>
    init(_ promise: EventLoopPromise<String>) { self.promise = promise }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        promise.succeed(String(buffer: unwrapInboundIn(data)))
    }
    func channelInactive(context: ChannelHandlerContext) { promise.fail(ChannelError.eof) }
}

func connect(_ path: String) async throws -> any Channel {
    try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(unixDomainSocketPath: path).get()
}

/// Whether a server answers on `path`.
func answers(_ path: String) async throws -> Bool {
    let channel = try await connect(path)
    let promise = channel.eventLoop.makePromise(of: String.self)
    try await channel.eventLoop.submit {
        try channel.pipeline.syncOperations.addHandler(FirstBytes(promise))
    }.get()
    try await channel.writeAndFlush(ByteBuffer(string: "hello"))
    let text = try await promise.futureResult.get()
    try await channel.close()
    return text == "hello"
}

@Suite("Binding a server") struct BindServerTests {
    @Test("a unix socket answers, is for its owner only, and is gone after close")
    func lifecycle() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/deep/er/s"
        let server = try await bindServer(echo(), to: .unix(path: path))
        #expect(server.endpoint == .unix(path: path))
        #expect(permissions(path) == 0o600)
        #expect(permissions(scratch.path + "/deep") == 0o700)
        #expect(permissions(scratch.path + "/deep/er") == 0o700)
        #expect(try await answers(path))
        await server.close()
        await server.close()
        #expect(status(path) == nil)
    }

    @Test("closing the channel by hand removes the socket too")
    func channelClose() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let server = try await bindServer(echo(), to: .unix(path: path))
        try await server.channel.close()
        await server.close()
        #expect(status(path) == nil)
        let next = try await bindServer(echo(), to: .unix(path: path))
        await next.close()
    }

    @Test("a group opens the socket to the group and to nobody else")
    func group() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let server = try await bindServer(
            echo(), to: .unix(path: path), options: UnixSocketOptions(group: String(getegid())))
        #expect(permissions(path) == 0o660)
        #expect(status(path)?.st_gid == getegid())
        await server.close()
    }

    @Test("an unknown group is refused by name, and nothing is left behind")
    func unknownGroup() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let error = await #expect(throws: SocketError.self) {
            try await bindServer(echo(), to: .unix(path: path), options: UnixSocketOptions(group: "no-such-group"))
        }
        #expect(error?.message == "cannot bind \(path): there is no group \"no-such-group\"")
        #expect(status(path) == nil)
    }

    @Test("the socket of a dead server is replaced")
    func stale() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        try bindAndForget(path)
        let server = try await bindServer(echo(), to: .unix(path: path))
        #expect(try await answers(path))
        await server.close()
    }

    @Test("a second server of ours is told that another instance is running")
    func second() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let first = try await bindServer(echo(), to: .unix(path: path))
        let error = await #expect(throws: SocketError.self) { try await bindServer(echo(), to: .unix(path: path)) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("another instance is running") == true)
        #expect(error?.message.contains(path) == true)
        #expect(try await answers(path))
        await first.close()
    }

    @Test("a live server that knows nothing of our lock is refused as well")
    func foreign() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let foreign = try await echo().bind(unixDomainSocketPath: path).get()
        let error = await #expect(throws: SocketError.self) { try await bindServer(echo(), to: .unix(path: path)) }
        #expect(error?.code == .unavailable)
        #expect(try await answers(path))
        try await foreign.close()
    }

    @Test("of servers that start at the same moment exactly one wins", arguments: [false, true])
    func race(overStale: Bool) async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        if overStale { try bindAndForget(path) }
        let servers = await withTaskGroup(of: BoundServer?.self) { group in
            for _ in 0..<12 {
                group.addTask { try? await bindServer(echo(), to: .unix(path: path)) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let winners = servers.compactMap { $0 }
        #expect(winners.count == 1)
        #expect(try await answers(path))
        for winner in winners { await winner.close() }
    }

    @Test("a file that is no socket stays, and is named")
    func file() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        close(open(path, O_CREAT | O_WRONLY, 0o644))
        let error = await #expect(throws: SocketError.self) { try await bindServer(echo(), to: .unix(path: path)) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("not a socket") == true)
        #expect(status(path) != nil)
    }

    @Test("a socket that took our place is not removed at close")
    func replaced() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let server = try await bindServer(echo(), to: .unix(path: path))
        unlink(path)
        let other = try await echo().bind(unixDomainSocketPath: path).get()
        await server.close()
        #expect(try await answers(path))
        try await other.close()
    }

    @Test("a path that does not fit is refused before anything is made")
    func tooLong() async throws {
        let scratch = ScratchDirectory()
        let fits =
            scratch.path + "/"
            + String(repeating: "x", count: UnixSocket.maximumPathLength - scratch.path.utf8.count - 1)
        #expect(fits.utf8.count == UnixSocket.maximumPathLength)
        let server = try await bindServer(echo(), to: .unix(path: fits))
        await server.close()
        let error = await #expect(throws: SocketError.self) {
            try await bindServer(echo(), to: .unix(path: fits + "x"))
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("\(UnixSocket.maximumPathLength + 1) bytes") == true)
        #expect(status(fits + "x.lock") == nil)
    }

    @Test("relative, empty and directory paths are refused", arguments: ["", "s", "/tmp/", "/tmp/a\0b"])
    func odd(path: String) {
        #expect(throws: SocketError.self) { try UnixSocket.checkPath(path) }
    }

    @Test("a TCP port of the system's choice is told")
    func tcp() async throws {
        let server = try await bindServer(echo(), to: .tcp(host: "127.0.0.1", port: 0))
        guard case .tcp(let host, let port) = server.endpoint else { Issue.record("no TCP"); return }
        #expect(host == "127.0.0.1")
        #expect(port > 0)
        let error = await #expect(throws: SocketError.self) { try await bindServer(echo(), to: server.endpoint) }
        #expect(error?.code == .unavailable)
        #expect(
            error?.message
                == "cannot listen on tcp://127.0.0.1:\(port): the port is in use. Stop its owner or choose another port"
        )
        await server.close()
    }

    @Test(
        "an address of no interface and a host without address are refused",
        arguments: ["192.0.2.1", "no-such-host.invalid"])
    func unreachable(host: String) async {
        let error = await #expect(throws: SocketError.self) {
            try await bindServer(echo(), to: .tcp(host: host, port: 0))
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(host) == true)
    }

    @Test("the kernel tells who connected")
    func credentials() async throws {
        let scratch = ScratchDirectory()
        let path = scratch.path + "/s"
        let server = try await bindServer(echo(), to: .unix(path: path))
        let channel = try await connect(path)
        let peer = try await PeerCredentials.of(channel)
        #expect(peer == PeerCredentials(userID: geteuid(), groupID: getegid(), processID: getpid()))
        try await channel.close()
        await #expect(throws: SocketError.self) { try await PeerCredentials.of(channel) }
        await server.close()
        let tcp = try await bindServer(echo(), to: .tcp(host: "127.0.0.1", port: 0))
        await #expect(throws: SocketError.self) { try await PeerCredentials.of(tcp.channel) }
        await tcp.close()
    }
}

/// Leaves the socket file of a server that died without cleaning up.
///
/// It never listened: a listening descriptor might live on for a moment in a child process that another test starts.
private func bindAndForget(_ path: String) throws {
    let address = try SocketAddress(unixDomainSocketPath: path)
    let descriptor = try #require(openUnixSocket())
    let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
    #expect(bound == 0)
    close(descriptor)
    #expect(status(path) != nil)
}

private func openUnixSocket() -> CInt? {
    #if canImport(Glibc)
    let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    #else
    let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
    #endif
    return descriptor >= 0 ? descriptor : nil
}
