public import NIOCore
public import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A listening channel and what belongs to it.
public struct BoundServer: Sendable {
    public let channel: any Channel
    /// As bound: with the port the system chose when port 0 was asked for.
    public let endpoint: Endpoint
    private let lock: SocketLock?
    private let identity: FileIdentity?

    init(channel: any Channel, endpoint: Endpoint, lock: SocketLock? = nil, identity: FileIdentity? = nil) {
        self.channel = channel
        self.endpoint = endpoint
        self.lock = lock
        self.identity = identity
    }

    /// Stops listening. A unix socket's file is removed if it is still ours.
    public func close() async {
        if case .unix(let path) = endpoint, let identity, FileIdentity(path) == identity { unlink(path) }
        try? await channel.close()
        lock?.release()
    }
}

/// Binds `bootstrap` to an endpoint.
///
/// A unix socket's directory is made (0700) when it is missing, a socket whose server is gone is replaced, and one
/// whose server lives is not.
/// - Throws: `SocketError`: `invalidArgument` for a path that cannot be a socket, `unavailable` when another process
///   listens there, `failed` otherwise.
public func bindServer(
    _ bootstrap: ServerBootstrap, to endpoint: Endpoint, options: UnixSocketOptions = .init()
) async throws(SocketError) -> BoundServer {
    switch endpoint {
    case .tcp(let host, let port): try await bindTCP(bootstrap, host, port)
    case .unix(let path): try await bindUnix(bootstrap, path, options)
    }
}

private func bindTCP(_ bootstrap: ServerBootstrap, _ host: String, _ port: Int) async throws(SocketError) -> BoundServer {
    let endpoint = Endpoint.tcp(host: host, port: port)
    do {
        let channel = try await bootstrap.bind(host: host, port: port).get()
        return BoundServer(channel: channel, endpoint: .tcp(host: host, port: channel.localAddress?.port ?? port))
    } catch let error as IOError where error.errnoCode == EADDRINUSE {
        throw SocketError(
            .unavailable, "cannot listen on \(endpoint): another program does; stop it, or choose another port")
    } catch let error as IOError where error.errnoCode == EACCES {
        throw SocketError(.failed, "cannot listen on \(endpoint): ports below 1024 need root; choose a higher one")
    } catch let error as IOError where error.errnoCode == EADDRNOTAVAIL {
        throw SocketError(.invalidArgument, "cannot listen on \(endpoint): this host has no such address")
    } catch {
        throw SocketError(.failed, "cannot listen on \(endpoint)", cause: error)
    }
}

private func bindUnix(
    _ bootstrap: ServerBootstrap, _ path: String, _ options: UnixSocketOptions
) async throws(SocketError) -> BoundServer {
    try UnixSocket.prepare(path)
    let lock = try SocketLock(path)
    // A server that does not know our lock may live there.
    if await answers(path) { throw SocketLock.taken(path) }
    let temporary = UnixSocket.temporaryPath(beside: path, random: .random(in: 0...UInt32.max))
    let channel: any Channel
    do {
        channel = try await bootstrap.bind(unixDomainSocketPath: temporary).get()
    } catch {
        throw SocketError(.failed, "cannot make the socket \(path)", cause: error)
    }
    do throws(SocketError) {
        try UnixSocket.publish(temporary, as: path, options)
    } catch {
        unlink(temporary)
        try? await channel.close()
        throw error
    }
    return BoundServer(channel: channel, endpoint: .unix(path: path), lock: lock, identity: FileIdentity(path))
}

/// Whether somebody accepts connections at `path`.
private func answers(_ path: String) async -> Bool {
    guard FileIdentity(path) != nil else { return false }
    let probe = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(2))
    do {
        try await probe.connect(unixDomainSocketPath: path).get().close()
        return true
    } catch let error as IOError where error.errnoCode == ECONNREFUSED || error.errnoCode == ENOENT {
        return false
    } catch {
        // A full backlog, no permission: somebody is there.
        return true
    }
}
