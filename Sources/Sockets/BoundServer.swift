public import NIOCore
public import NIOPosix
import Synchronization

/// A listening server channel and what has to be cleaned up after it.
public final class BoundServer: Sendable {
    /// The listening channel; accepts as soon as it is here.
    public let channel: any Channel
    /// As bound: with the port the system chose when port 0 was asked for.
    public let endpoint: Endpoint
    private let listener: Mutex<UnixListener?>

    init(channel: any Channel, endpoint: Endpoint, listener: UnixListener?) {
        self.channel = channel
        self.endpoint = endpoint
        self.listener = Mutex(listener)
        // Whoever closes the channel by hand leaves no socket file behind either.
        channel.closeFuture.whenComplete { _ in self.release() }
    }

    /// Removes the unix socket, if it is still ours, and stops listening. Accepted connections live on. Idempotent.
    public func close() async {
        release()
        channel.close(promise: nil)
        await withCheckedContinuation { continuation in
            channel.closeFuture.whenComplete { _ in continuation.resume() }
        }
    }

    private func release() {
        let taken = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        taken?.release()
    }
}

/// Binds `bootstrap` to `endpoint` by the project's rules and starts to accept.
///
/// Unix sockets: missing directories above are made with mode 0700; a socket whose server is gone is replaced; one whose
/// server answers, and any other kind of file, is refused; of two servers that start at once one wins (a lock on
/// `PATH.lock`, held until the server closes); nobody beyond `options` can connect at any moment.
/// TCP: names are resolved, port 0 lets the system choose.
///
/// - Throws: `SocketError` that names the endpoint: `.invalidArgument` for one that can never work, `.unavailable` when
///   somebody else has it now, `.failed` for the rest.
public func bindServer(
    _ bootstrap: ServerBootstrap, to endpoint: Endpoint, options: UnixSocketOptions = .init()
) async throws(SocketError) -> BoundServer {
    switch endpoint {
    case .unix(let path):
        let listener = try await offLoop("cannot listen on \(endpoint)") { () throws(SocketError) -> UnixListener in
            try UnixListener.open(path: path, options: options)
        }
        do {
            let channel = try await bootstrap.withBoundSocket(listener.descriptor).get()
            return BoundServer(channel: channel, endpoint: endpoint, listener: listener)
        } catch {
            // NIO closes the descriptor it was given when it fails.
            listener.release()
            throw SocketError(.failed, "cannot listen on \(endpoint)", cause: error)
        }
    case .tcp(let host, let port):
        let address = try await offLoop("cannot listen on \(endpoint)") { () throws(SocketError) -> SocketAddress in
            do {
                return try SocketAddress.makeAddressResolvingHost(host, port: port)
            } catch {
                throw SocketError(
                    .invalidArgument, "cannot listen on \(endpoint): the host is not known here", cause: error)
            }
        }
        do {
            let channel = try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(to: address).get()
            return BoundServer(
                channel: channel, endpoint: .tcp(host: host, port: channel.localAddress?.port ?? port), listener: nil)
        } catch {
            throw SocketError(binding: endpoint, error)
        }
    }
}

/// Runs `body`, which blocks, where it stops nobody else.
private func offLoop<T: Sendable>(
    _ attempt: String, _ body: @escaping @Sendable () throws(SocketError) -> T
) async throws(SocketError) -> T {
    do {
        return try await NIOThreadPool.singleton.runIfActive { try body() }
    } catch let error as SocketError {
        throw error
    } catch {
        throw SocketError(.failed, attempt, cause: error)
    }
}
