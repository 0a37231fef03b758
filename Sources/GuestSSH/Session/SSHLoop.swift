import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a connection's thread does: owns the socket, the libssh2 session and its channels; asleep in `poll` whenever nothing
/// can go on.
final class SSHLoop {
    struct Request: Sendable {
        var configuration: GuestSSHConfiguration
        var bannerTimeout: Duration
        /// Whether the guest's network is known to answer.
        var isHeard: Bool
    }

    let request: Request
    let inbox: SSHInbox
    let session: SSHSession
    let wire: Wire
    var channels: [Int: SSHChannelState] = [:]
    var listeners: [Int: (listener: SSHListener, listening: SSHListening)] = [:]
    /// The first one is being opened: one at a time is libssh2's limit.
    let turn = ReplyTurn()
    var openings: [(opening: SSHOpening, since: SuspendingClock.Instant?)] = []
    var listenings: [SSHListening] = []
    var cancelled: [SSHListener] = []
    var nextChannel = 1
    var lastHeard = SuspendingClock.Instant.now
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 16)
    /// The last time a byte came in or went out.
    private var lastMoved = SuspendingClock.Instant.now
    private var moved = 0
    private var isReadable = false
    private var endSeen: SuspendingClock.Instant?
    /// Tells, once there is no use in asking this connection for anything.
    private let ended: (GuestSSHError) -> Void

    /// Unread bytes the guest may have on the way on each channel. Small: a slow reader's bytes wait here, each packet with
    /// some overhead of its own.
    static let window = 256 << 10
    /// Unread bytes on the way to the task that reads a channel.
    static let inflowLimit = 256 << 10

    /// Until the connection has ended.
    /// - Returns: why it did.
    static func run(
        _ request: Request, _ inbox: SSHInbox, connected: (HostKey) -> Void, ended: @escaping (GuestSSHError) -> Void
    ) -> GuestSSHError {
        do {
            let (session, key) = try connect(request, inbox)
            let loop = SSHLoop(request, inbox, session, ended)
            connected(key)
            let error = loop.run()
            loop.end(error)
            return error
        } catch let error as GuestSSHError {
            return error
        } catch {
            return GuestSSHError(.unreachable, "connecting to \(request.configuration.peer)", cause: error)
        }
    }

    private init(
        _ request: Request, _ inbox: SSHInbox, _ session: SSHSession, _ ended: @escaping (GuestSSHError) -> Void
    ) {
        self.ended = ended
        self.request = request
        self.inbox = inbox
        self.session = session
        wire = session.wire
    }

    deinit { buffer.deallocate() }

    private func run() -> GuestSSHError {
        do {
            while true {
                try takeCommands()
                if inbox.isStopping { return GuestSSHError(.closed, "the connection to \(peer) was closed") }
                wire.flush()
                try work()
                wire.flush()
                if wire.hasEnded { try checkEnd() }
                try checkTime()
                try sleep()
            }
        } catch let error as GuestSSHError {
            return error
        } catch {
            return GuestSSHError(
                .connectionLost, "the SSH connection to \(peer) broke; what ran over it may still run in the guest",
                cause: error)
        }
    }

    var peer: String { request.configuration.peer }

    private func end(_ error: GuestSSHError) {
        // Before anybody learns of it by what ran here: who then asks again is to get another connection.
        ended(error)
        if error.code == .closed {
            session.disconnect()
            wire.flush()
        }
        for (opening, _) in openings { opening.fail(error) }
        for listening in listenings { listening.bound.finish(.failure(error)) }
        for state in channels.values { state.abandon(error) }
        channels = [:]
        listeners = [:]
        cancelled = []
        session.free()
    }

    /// Everything that can go on now.
    private func work() throws {
        let before = wire.received
        defer { if wire.received != before { lastHeard = .now } }
        var goesOn = true
        while goesOn, !wire.isDeaf {
            let heard = wire.received
            goesOn = false
            try listenToPeer()
            if try openNext() { goesOn = true }
            if try listenNext() { goesOn = true }
            for id in channels.keys {
                guard let state = channels[id] else { continue }
                do {
                    if try state.work(buffer, wire) { goesOn = true }
                } catch let failure as SSHFailure where failure.isHarmless {
                    state.fail(
                        GuestSSHError(.channel, "the SSH server at \(peer) broke off a session", cause: failure))
                    goesOn = true
                }
                if state.isOver {
                    channels[id] = nil
                    state.release()
                }
            }
            wire.flush()
            // What one call read may be for another that has had its turn in this round.
            if wire.received != heard { goesOn = true }
            // What tasks asked for meanwhile need not wait for the next round of the thread's sleep.
            if goesOn { try takeCommands() }
            if inbox.isStopping { return }
        }
    }

    /// Takes in what arrived. libssh2 reads only when it is asked for something; where nothing else is to be asked, a sign of
    /// life is.
    private func listenToPeer() throws {
        var hasRead = false
        for state in channels.values where !hasRead { hasRead = try state.pump() }
        if !hasRead, isReadable, openings.isEmpty, listeners.isEmpty { ping() }
        isReadable = false
    }

    private func takeCommands() throws {
        for command in inbox.take() {
            switch command {
            case .open(let opening): openings.append((opening, nil))
            case .channel(let id, let job):
                if let state = channels[id] {
                    state.add(job)
                } else {
                    job.fail(GuestSSHError(.closed, "the SSH session with \(peer) is closed"))
                }
            case .resume(let id): channels[id]?.resume()
            case .close(let id): channels[id]?.close()
            case .listen(let listening): listenings.append(listening)
            case .unlisten(let id):
                listenings.removeAll { $0.id == id && $0.bound.finish(.failure(CancellationError())) }
                if let (listener, _) = listeners.removeValue(forKey: id) { cancelled.append(listener) }
            case .authenticate(let credentials, let done):
                do {
                    try authenticate(credentials)
                    done.finish(.success(()))
                } catch {
                    done.finish(.failure(error))
                    throw error
                }
            case .stop: break
            }
        }
    }

    /// The peer is gone. Readers that are behind may take what has arrived, for a while.
    private func checkEnd() throws {
        let error = GuestSSHError(.connectionLost, "the SSH server at \(peer) ended the connection")
        ended(error)
        let end = endSeen ?? .now
        endSeen = end
        guard channels.values.contains(where: \.isHeldBack), SuspendingClock.Instant.now < end + .seconds(30) else {
            throw error
        }
        for (opening, _) in openings { opening.fail(error) }
        openings = []
    }

    // MARK: time

    func ping() {
        openings.append(
            (SSHOpening(kind: .ping, deadline: .now + dead, opened: Pending(), released: {}), nil))
    }

    /// Silence that is taken for death when an answer is outstanding.
    var dead: Duration { request.configuration.keepaliveInterval * request.configuration.keepaliveLimit }

    /// Gives up what took too long; asks a quiet peer for a sign of life.
    private func checkTime() throws {
        let now = SuspendingClock.Instant.now
        if endSeen != nil { return }
        // It would speak if it could: the count of its silence begins when it can.
        if request.configuration.standsStill() { (lastHeard, lastMoved) = (now, now) }
        if wire.received + wire.sent != moved {
            moved = wire.received + wire.sent
            lastMoved = now
        }
        for index in openings.indices.reversed() where openings[index].opening.deadline <= now {
            let (opening, since) = openings[index]
            opening.opened.finish(
                .failure(GuestSSHError(.timeout, "opening \(opening.kind.text) at \(peer) took too long")))
            // One that is on its way cannot be called back: it is closed when it comes.
            if since == nil {
                opening.released()
                openings.remove(at: index)
            }
        }
        if let silence = outstanding, now >= silence {
            throw GuestSSHError(
                .connectionLost, "\(peer) has not been heard of since \(now - lastHeard); the connection is given up")
        }
        if openings.isEmpty, now >= lastHeard + request.configuration.keepaliveInterval { ping() }
    }

    /// When to give up, if an answer is outstanding.
    private var outstanding: SuspendingClock.Instant? {
        if let (opening, since) = openings.first, let since {
            switch opening.kind {
            case .ping, .session:
                // Counted from the question too: when this side was late to ask, the peer is not to pay for it.
                let interval = request.configuration.keepaliveInterval
                return max(lastHeard + dead, since + max(interval, dead - interval))
            // The guest itself may be waiting for an address that does not answer.
            case .tcp: return max(lastHeard, since) + max(dead, .seconds(150))
            }
        }
        return wire.waiting > 0 ? lastMoved + dead : nil
    }

    /// Until something arrives, there is room to send, a command comes or it is time.
    private func sleep() throws {
        var next = lastHeard + request.configuration.keepaliveInterval
        if !openings.isEmpty { next = lastHeard + dead + .seconds(150) }
        if let outstanding { next = min(next, outstanding) }
        for (opening, _) in openings where opening.opened.isWaited { next = min(next, opening.deadline) }
        // Those who wait for a turn that never is given back have nothing else to wake them.
        if let expiry = turn.expires, expiry > .now { next = min(next, expiry) }
        if let (_, since) = openings.first, since == nil { return }
        if let endSeen { next = endSeen + .seconds(30) }
        if inbox.hasCommands { return }
        var descriptors = [
            pollfd(fd: endSeen == nil ? wire.descriptor : -1, events: 0, revents: 0),
            pollfd(fd: inbox.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        if !wire.isDeaf { descriptors[0].events |= Int16(POLLIN) }
        if wire.waiting > 0 { descriptors[0].events |= Int16(POLLOUT) }
        try Self.poll(&descriptors, until: next)
        isReadable = descriptors[0].revents & ~Int16(POLLOUT) != 0
    }

    static func poll(_ descriptors: inout [pollfd], until deadline: SuspendingClock.Instant) throws {
        let rest = max(.zero, deadline - .now).components
        let milliseconds = min(3_600_000, rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000 + 1)
        let result = systemPoll(&descriptors, nfds_t(descriptors.count), Int32(milliseconds))
        if result < 0, errno != EINTR {
            throw GuestSSHError(.connectionLost, "poll: \(String(cString: strerror(errno)))")
        }
    }
}

private func systemPoll(_ descriptors: inout [pollfd], _ count: nfds_t, _ timeout: Int32) -> Int32 {
    poll(&descriptors, count, timeout)
}

extension SSHOpening.Kind {
    var text: String {
        switch self {
        case .session: "a session"
        case .tcp(let host, let port): "a connection to \(host):\(port)"
        case .ping: "nothing"
        }
    }
}
