import Synchronization

/// One SSH connection, with a thread of its own that sleeps unless there is something to do. This is its face to tasks.
final class SSHConnection: Sendable {
    let inbox: SSHInbox
    /// Why it ended.
    let ended = Outcome<GuestSSHError>()
    private let nextListener = Mutex(1)

    /// Connects and exchanges keys, once; nobody is logged in yet. ``close()`` ends it, as does what fails.
    ///
    /// - Returns: the peer's host key.
    func connect(_ request: SSHLoop.Request) async throws -> HostKey {
        let key = Pending<HostKey>()
        SSHThread.start { [inbox, ended] in
            let error = SSHLoop.run(
                request, inbox, connected: { key.finish(.success($0)) }, ended: { ended.finish(.success($0)) })
            inbox.close(error)
            key.finish(.failure(error))
            ended.finish(.success(error))
        }
        do {
            return try await key.value()
        } catch {
            close()
            throw error
        }
    }

    init() throws(GuestSSHError) { inbox = try SSHInbox() }

    deinit { close() }

    func authenticate(_ credentials: SSHCredentials) async throws {
        let done = Pending<Void>()
        inbox.post(.authenticate(credentials, done))
        try await done.value()
    }

    var hasEnded: Bool { ended.result != nil }

    /// - Parameter released: called once, whatever becomes of it.
    func open(
        _ kind: SSHOpening.Kind, within limit: Duration, released: @escaping @Sendable () -> Void
    ) async throws -> SSHStream {
        let opened = Pending<SSHStream>()
        inbox.post(.open(SSHOpening(kind: kind, deadline: .now + limit, opened: opened, released: released)))
        return try await opened.value()
    }

    /// - Returns: an id to end it with, and the port.
    func listen(
        host: String, port: Int, accepted: @escaping @Sendable (SSHStream) -> Void
    ) async throws -> (id: Int, port: Int) {
        let id = nextListener.withLock { next in
            defer { next += 1 }
            return next
        }
        let bound = Pending<Int>()
        inbox.post(.listen(SSHListening(id: id, host: host, port: port, bound: bound, accepted: accepted)))
        do {
            return (id, try await bound.value())
        } catch {
            inbox.post(.unlisten(id: id))
            throw error
        }
    }

    /// Again: nothing.
    func close() { inbox.post(.stop) }
}
