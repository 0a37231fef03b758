import Logging
import Synchronization

/// The connections of a link: dialled when needed, one at a time (servers drop bursts of strangers), shared, and closed when
/// nobody uses them.
final class LinkPool: Sendable {
    enum Role: Sendable {
        case sessions
        /// Apart from sessions: a forward to a server that does not answer keeps others on its connection from opening.
        case forwards
        /// One session by itself: what others do on their connection does not concern it.
        case alone
    }

    /// A place for one channel on a connection, until ``release()``.
    final class Lease: Sendable {
        let connection: SSHConnection
        private let onRelease: Mutex<(@Sendable () -> Void)?>

        fileprivate init(_ connection: SSHConnection, _ onRelease: @escaping @Sendable () -> Void) {
            self.connection = connection
            self.onRelease = Mutex(onRelease)
        }

        deinit { release() }

        /// Again: nothing.
        func release() {
            let call = onRelease.withLock { onRelease in
                defer { onRelease = nil }
                return onRelease
            }
            call?()
        }
    }

    private struct Entry {
        let connection: SSHConnection
        let role: Role
        var used = 0
        var capacity: Int
        var urgentCapacity: Int
        /// Channels being opened, and since when one has been.
        var opening = 0
        var openingSince: ContinuousClock.Instant?
        /// Changes at every use.
        var uses = 0
    }

    private struct State {
        var entries: [Entry] = []
        var isDialing = false
        /// The connection that is being made, until it is one of the entries.
        var dialled: SSHConnection?
        /// It was ended meanwhile, for those who wait to dial anew.
        var isBrokenOff = false
        var waiting: [Pending<Void>] = []
        var isClosed = false
        var pin: String?
        var bannerTimeout: Duration
        /// The guest's network has answered since it started last: no connection to it is lost any more.
        var isHeard = false

        mutating func takeConnections() -> [SSHConnection] {
            defer { entries = [] }
            return entries.map(\.connection) + (dialled.map { [$0] } ?? [])
        }
    }

    let configuration: GuestSSHConfiguration
    private let onHostKey: @Sendable (String) async throws -> Void
    private let logger: Logger
    private let state: Mutex<State>

    init(
        _ configuration: GuestSSHConfiguration, onHostKey: @escaping @Sendable (String) async throws -> Void,
        logger: Logger
    ) {
        self.configuration = configuration
        self.onHostKey = onHostKey
        self.logger = logger
        state = Mutex(State(pin: configuration.hostKeyPin, bannerTimeout: configuration.bannerTimeout))
    }

    deinit { close() }

    /// Connections that are up, for tests and logs.
    var connectionCount: Int { state.withLock { $0.entries.count { !$0.connection.hasEnded } } }

    /// Channels that were asked for and are not open yet, for tests.
    func openingCount(_ role: Role) -> Int {
        state.withLock { state in state.entries.reduce(0) { $0 + ($1.role == role ? $1.opening : 0) } }
    }

    /// A place on a connection, dialled if need be.
    ///
    /// - Parameter isUrgent: may take one of the places that are kept for killing.
    func acquire(_ role: Role, isUrgent: Bool = false) async throws -> Lease {
        while true {
            try Task.checkCancellation()
            switch try next(role, isUrgent) {
            case .lease(let lease): return lease
            case .wait(let dialled): try await dialled.value()
            }
        }
    }

    private enum Next {
        case lease(Lease)
        case wait(Pending<Void>)
    }

    private func next(_ role: Role, _ isUrgent: Bool) throws -> Next {
        let dialled = Pending<Void>()
        let (place, dials) = try state.withLock { state -> (SSHConnection?, Bool) in
            if state.isClosed { throw closedError }
            state.entries.removeAll { $0.connection.hasEnded }
            let now = ContinuousClock.now
            let index = state.entries.firstIndex { entry in
                guard entry.role == role, entry.used < (isUrgent ? entry.urgentCapacity : entry.capacity) else {
                    return false
                }
                guard role == .forwards, let since = entry.openingSince else { return true }
                return since + .milliseconds(500) > now
            }
            if let index {
                state.entries[index].used += 1
                state.entries[index].uses += 1
                return (state.entries[index].connection, false)
            }
            guard state.entries.count < configuration.maximumConnections else {
                throw GuestSSHError(
                    .exhausted,
                    "\(configuration.maximumConnections) SSH connections to \(configuration.peer) are in use: end some "
                        + "sessions first")
            }
            state.waiting.append(dialled)
            defer { state.isDialing = true }
            return (nil, !state.isDialing)
        }
        if let place {
            return .lease(Lease(place) { [weak self] in self?.release(place) })
        }
        if dials { Task { await dial(role) } }
        return .wait(dialled)
    }

    private var closedError: GuestSSHError {
        GuestSSHError(.closed, "the link to \(configuration.peer) was closed")
    }

    // MARK: dialling

    private func dial(_ role: Role) async {
        let result: Result<SSHConnection, any Error>
        do {
            result = .success(try await connect())
        } catch {
            result = .failure(error)
        }
        let (waiting, isKept, isBrokenOff) = state.withLock { state in
            state.isDialing = false
            state.dialled = nil
            let isBrokenOff = state.isBrokenOff
            let isKept = !state.isClosed && !isBrokenOff
            state.isBrokenOff = false
            defer { state.waiting = [] }
            switch result {
            // It says how the guest was, not how it is.
            case _ where !isKept: break
            case .success(let connection):
                state.bannerTimeout = configuration.bannerTimeout
                state.isHeard = true
                let (capacity, urgent) = places(role)
                state.entries.append(
                    Entry(connection: connection, role: role, capacity: capacity, urgentCapacity: urgent))
            case .failure(let error as GuestSSHError) where error.code == .silent:
                if !state.isHeard {
                    state.bannerTimeout = min(configuration.connectTimeout, state.bannerTimeout * 5 / 4)
                }
                state.isHeard = false
            case .failure(let error as GuestSSHError) where error.code == .refused || error.code == .unreachable:
                state.isHeard = true
            case .failure: break
            }
            return (state.waiting, isKept, isBrokenOff)
        }
        if !isKept, case .success(let connection) = result { connection.close() }
        if case .failure(let error) = result {
            logger.debug("guest not reached", metadata: ["guest": "\(configuration.peer)", "reason": "\(error)"])
        } else {
            logger.debug("SSH connection", metadata: ["guest": "\(configuration.peer)", "for": "\(role)"])
        }
        for one in waiting { one.finish(isBrokenOff ? .success(()) : result.map { _ in () }) }
    }

    /// How many channels a connection carries, and how many when some are urgent.
    private func places(_ role: Role) -> (capacity: Int, urgent: Int) {
        switch role {
        case .sessions: (configuration.sessionsPerConnection, configuration.sessionsPerConnection + 2)
        case .forwards: (128, 128)
        case .alone: (1, 1)
        }
    }

    /// A server that is up may be full for a moment: servers bound how many who have not logged in they listen to.
    private func connect() async throws -> SSHConnection {
        let end = ContinuousClock.now + configuration.openTimeout
        var pause = Duration.milliseconds(100)
        while true {
            do {
                return try await attempt()
            } catch let error as GuestSSHError where error.isTransient {
                let isUp = state.withLock { !$0.isClosed && $0.entries.contains { !$0.connection.hasEnded } }
                guard isUp, ContinuousClock.now + pause < end else { throw error }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    private func attempt() async throws -> SSHConnection {
        var configuration = configuration
        let (bannerTimeout, isHeard) = state.withLock { state in
            configuration.hostKeyPin = state.pin
            // A guest with a connection that is up does not boot: it is busy, and gets the time of busy ones.
            let isHeard = state.isHeard || state.entries.contains { !$0.connection.hasEnded }
            return (isHeard ? configuration.connectTimeout : state.bannerTimeout, isHeard)
        }
        let connection = try SSHConnection()
        let isClosed = state.withLock { state in
            state.dialled = connection
            return state.isClosed
        }
        if isClosed { throw closedError }
        let key = try await connection.connect(
            SSHLoop.Request(configuration: configuration, bannerTimeout: bannerTimeout, isHeard: isHeard))
        do {
            if configuration.hostKeyPin == nil {
                try await onHostKey(key.description)
                state.withLock { $0.pin = key.description }
                logger.info("host key pinned", metadata: ["guest": "\(configuration.peer)", "key": "\(key)"])
            }
            try await connection.authenticate(
                SSHCredentials(
                    user: configuration.user, keyFile: configuration.keyFile,
                    passphraseFile: configuration.passphraseFile, passwordFile: configuration.passwordFile,
                    deadline: .now + configuration.authenticationTimeout))
        } catch {
            connection.close()
            throw error
        }
        return connection
    }

    // MARK: opening channels

    /// Opens a channel, on another connection where one is full or was lost meanwhile.
    func open(_ kind: SSHOpening.Kind, isUrgent: Bool = false, isAlone: Bool = false) async throws -> SSHStream {
        let role: Role = isAlone ? .alone : kind == .session ? .sessions : .forwards
        var tries = 0
        while true {
            tries += 1
            let lease = try await acquire(role, isUrgent: isUrgent)
            note(lease.connection) {
                $0.opening += 1
                if $0.opening == 1 { $0.openingSince = .now }
            }
            defer {
                note(lease.connection) {
                    $0.opening -= 1
                    $0.openingSince = $0.opening == 0 ? nil : .now
                }
            }
            do {
                return try await lease.connection.open(kind, within: configuration.openTimeout) { lease.release() }
            } catch let error as GuestSSHError where error.code == .connectionLost || error.code == .closed {
                if tries >= 3 || state.withLock({ $0.isClosed }) { throw error }
            } catch let error as GuestSSHError where error.code == .channel && tries < 64 {
                lower(lease.connection)
            }
        }
    }

    private func note(_ connection: SSHConnection, _ change: (inout Entry) -> Void) {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.connection === connection }) else { return }
            change(&state.entries[index])
        }
    }

    /// The server opens no further session on a connection: it is full with what it has. By now that may be less than when
    /// it said so, even nothing.
    private func lower(_ connection: SSHConnection) {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.connection === connection }) else { return }
            let used = max(1, state.entries[index].used)
            state.entries[index].capacity = min(state.entries[index].capacity, used)
            state.entries[index].urgentCapacity = min(state.entries[index].urgentCapacity, used)
        }
    }

    private func release(_ connection: SSHConnection) {
        let uses: Int? = state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.connection === connection }) else { return nil }
            state.entries[index].used -= 1
            return state.entries[index].used == 0 && isSpare(index, state) ? state.entries[index].uses : nil
        }
        guard let uses else { return }
        Task { [weak self, idle = configuration.idleTimeout] in
            try await Task.sleep(for: idle)
            self?.retire(connection, uses)
        }
    }

    /// The first connection for sessions stays.
    private func isSpare(_ index: Int, _ state: State) -> Bool {
        state.entries[index].role == .forwards || state.entries.count { $0.role == .sessions } > 1
    }

    private func retire(_ connection: SSHConnection, _ uses: Int) {
        let isRetired = state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.connection === connection }),
                state.entries[index].used == 0, state.entries[index].uses == uses, isSpare(index, state)
            else { return false }
            state.entries.remove(at: index)
            return true
        }
        if isRetired { connection.close() }
    }

    func notKilled(_ id: Int32, _ error: any Error) {
        logger.warning(
            "a process in the guest may still run",
            metadata: ["guest": "\(configuration.peer)", "process": "\(id)", "reason": "\(error)"])
    }

    /// Ends the connections there are, and the one that is being made: who waits for that gets another.
    func disconnect() {
        let connections = state.withLock { state in
            state.isBrokenOff = state.dialled != nil
            state.isHeard = false
            return state.takeConnections()
        }
        for connection in connections { connection.close() }
    }

    /// Ends all connections, and makes no more. Again: nothing.
    func close() {
        let (connections, waiting) = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return (state.takeConnections(), state.waiting)
        }
        for one in waiting { one.finish(.failure(closedError)) }
        for connection in connections { connection.close() }
    }
}
