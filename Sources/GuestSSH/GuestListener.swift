import Logging
import Synchronization

/// A port on a guest's loopback that is forwarded here, until ``close()`` or with this object.
public final class GuestListener: Sendable {
    /// In the guest.
    public let port: Int
    private let task: Task<Void, Never>

    init(port: Int, task: Task<Void, Never>) {
        self.port = port
        self.task = task
    }

    deinit { task.cancel() }

    /// No new connections; those that are there are cancelled.
    public func close() async {
        task.cancel()
        await task.value
    }
}

extension GuestLink {
    /// Makes the guest listen on a port of its loopback, and hands over each connection made to it. Made again whenever the
    /// link to the guest was lost and is back.
    ///
    /// - Parameters:
    ///   - guestPort: 0 for any free one.
    ///   - handler: one task per connection, at most 256 at a time; the connection is closed when it returns.
    /// - Throws: `GuestSSHError` with `refused` when the guest does not allow it: the port is in use, or privileged.
    public func listen(
        onGuestPort guestPort: Int, handler: @escaping @Sendable (GuestConnection) async -> Void
    ) async throws -> GuestListener {
        let (lease, listening) = try await listen(guestPort)
        let port = listening.port
        let task = Task { [weak self, logger] in
            await withTaskGroup(of: Void.self) { group in
                var current: (lease: LinkPool.Lease, listening: Listening)? = (lease, listening)
                var open = 0
                var delay = Duration.milliseconds(100)
                while !Task.isCancelled {
                    if let (lease, listening) = current {
                        for await stream in listening.streams {
                            if Task.isCancelled { break }
                            if open >= 256, await group.next() != nil { open -= 1 }
                            open += 1
                            group.addTask {
                                let connection = GuestConnection(stream)
                                await handler(connection)
                                connection.close()
                            }
                        }
                        lease.connection.inbox.post(.unlisten(id: listening.id))
                        current = nil
                    } else if let self {
                        do {
                            current = try await self.listen(port)
                            delay = .milliseconds(100)
                            logger.info("listening in the guest again", metadata: ["port": "\(port)"])
                        } catch let error as GuestSSHError where error.code == .closed {
                            break
                        } catch {
                            // The old connection may still hold the port in the guest.
                            logger.debug(
                                "not listening in the guest", metadata: ["port": "\(port)", "reason": "\(error)"])
                            do { try await Task.sleep(for: delay) } catch { break }
                            delay = min(delay * 2, .seconds(5))
                        }
                    } else {
                        break
                    }
                }
                if let (lease, listening) = current { lease.connection.inbox.post(.unlisten(id: listening.id)) }
                group.cancelAll()
            }
        }
        return GuestListener(port: port, task: task)
    }

    private struct Listening: Sendable {
        var id: Int
        var port: Int
        var streams: AsyncStream<SSHStream>
    }

    private func listen(_ port: Int) async throws -> (LinkPool.Lease, Listening) {
        let lease = try await pool.acquire(.forwards)
        let connection = lease.connection
        let (streams, arrived) = AsyncStream.makeStream(of: SSHStream.self, bufferingPolicy: .bufferingNewest(64))
        let (id, port) = try await connection.listen(host: "127.0.0.1", port: port) { arrived.yield($0) }
        Task {
            _ = try? await connection.ended.value()
            arrived.finish()
        }
        return (lease, Listening(id: id, port: port, streams: streams))
    }
}
