#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension SSHLoop {
    /// Opens the socket and exchanges keys.
    static func connect(_ request: Request, _ inbox: SSHInbox) throws -> (SSHSession, HostKey) {
        let configuration = request.configuration
        if let file = configuration.keyFile {
            try PrivateKeyFile.check(file, hasPassphrase: configuration.passphraseFile != nil)
        }
        let pin = try configuration.hostKeyPin.map { text throws in try HostKey(pin: text) }
        let wire = Wire(descriptor: try greeted(request, inbox, until: .now + configuration.connectTimeout))
        let session = try SSHSession(wire)
        session.prefer(hostKeys: HostKey.preferences(pinned: pin))
        try session.offer(keyExchanges: configuration.keyExchanges)
        do {
            let deadline = SuspendingClock.Instant.now + configuration.keyExchangeTimeout
            try drive(wire, inbox, until: deadline, "exchanging keys with \(configuration.peer)") {
                try session.handshake()
            }
        } catch let failure as SSHFailure {
            throw GuestSSHError(
                .unreachable, "exchanging keys with \(configuration.peer): is it an SSH server?", cause: failure)
        }
        let key = HostKey(wire: session.hostKey)
        if let pin, pin != key {
            throw GuestSSHError(
                .hostKeyChanged,
                "the host key of \(configuration.peer) is \(key), but \(pin) was pinned: this is another machine, or "
                    + "somebody is in between")
        }
        return (session, key)
    }

    /// Who is knocked at more often than it can open the door never opens it.
    private static let leastPause = Duration.milliseconds(250)

    /// Servers bound how many strangers they listen to; Dropbear hears five of one address.
    private static let maximumKnocks = 4

    /// Opens connections until one is spoken on: the server speaks first.
    ///
    /// QEMU accepts in the name of a guest that is not there yet, and such a connection is lost: what it says to the guest
    /// is repeated only seconds later. So there is another knock every eighth of the time a silent peer is given, but not
    /// all the time, while the first ones stay open for a guest that is only slow. Each of them has such a guest start a server's process and
    /// makes it slower still: a guest whose network is known to answer is asked once.
    private static func greeted(
        _ request: Request, _ inbox: SSHInbox, until deadline: SuspendingClock.Instant
    ) throws -> Int32 {
        let configuration = request.configuration
        let what = "waiting for the SSH server at \(configuration.peer) to speak"
        let end = min(deadline, .now + request.bannerTimeout)
        var knocks: [Int32] = []
        var spoken: Int32?
        defer { for knock in knocks where knock != spoken { close(knock) } }
        while true {
            if knocks.count == maximumKnocks { close(knocks.removeLast()) }
            do {
                knocks.append(
                    try TCPSocket.connect(host: configuration.host, port: configuration.port) {
                        try wait($0, $1, until: deadline, inbox, "connecting to \(configuration.peer)")
                    })
            } catch let error as GuestSSHError where !knocks.isEmpty && error.isTransient {
                // Those before it may still be heard.
            }
            let pause = request.isHeard ? end : min(end, .now + max(Self.leastPause, request.bannerTimeout / 8))
            while SuspendingClock.Instant.now < pause {
                let ready = try readable(knocks, until: pause, inbox, what)
                spoken = ready.first { TCPSocket.hasBytes($0) }
                if let spoken { return spoken }
                // Its network answers, and with that the next one is not lost.
                if !ready.isEmpty { throw GuestSSHError(.unreachable, "\(what): it closed the connection") }
            }
            guard SuspendingClock.Instant.now < end else {
                throw GuestSSHError(.silent, "\(what): it accepted, and said nothing for \(request.bannerTimeout)")
            }
        }
    }

    /// Those of the descriptors that have something to read, or none when it is `deadline`.
    private static func readable(
        _ knocks: [Int32], until deadline: SuspendingClock.Instant, _ inbox: SSHInbox, _ what: String
    ) throws -> [Int32] {
        var descriptors = (knocks + [inbox.descriptor]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        try poll(&descriptors, until: deadline)
        if inbox.isStopping { throw GuestSSHError(.closed, "\(what) was broken off") }
        return descriptors.dropLast().filter { $0.revents != 0 }.map(\.fd)
    }

    /// Logs in with the key, then with the password, as far as they are given and the server takes them.
    func authenticate(_ credentials: SSHCredentials) throws {
        let user = credentials.user
        func drive(_ step: () throws -> Void?) throws {
            try Self.drive(wire, inbox, until: credentials.deadline, "authenticating as \(peer)", step)
        }
        do {
            var methods: [String] = []
            try drive { try session.methods(user: user).map { methods = $0 } }
            if methods.isEmpty { return }
            var refusals: [String] = []
            func attempt(_ name: String, _ step: () throws -> Void?) throws -> Bool {
                do {
                    try drive(step)
                    return true
                } catch let failure as SSHFailure where failure.isAuthentication {
                    refusals.append(name)
                    return false
                }
            }
            if let file = credentials.keyFile, methods.contains("publickey") {
                do {
                    let phrase = try credentials.passphraseFile.map { try KeyFiles.passphrase($0) }
                    if try attempt(
                        "the key \(file)", { try session.authenticate(user: user, keyFile: file, passphrase: phrase) })
                    {
                        return
                    }
                } catch let failure as SSHFailure where failure.isUnusableKey {
                    let why = credentials.passphraseFile == nil ? "" : ": is that its passphrase?"
                    throw GuestSSHError(.badKey, "libssh2 cannot use the private key \(file)\(why)", cause: failure)
                }
            }
            if let file = credentials.passwordFile {
                let password = try KeyFiles.password(file)
                if methods.contains("password"),
                    try attempt("the password", { try session.authenticate(user: user, password: password) })
                {
                    return
                }
                wire.password = password
                defer { wire.password = nil }
                if methods.contains("keyboard-interactive"),
                    try attempt(
                        "the password, asked interactively", { try session.authenticateInteractively(user: user) })
                {
                    return
                }
            }
            let reason =
                refusals.isEmpty
                ? "it takes \(methods.joined(separator: ", ")), for which nothing is configured"
                : "it did not accept \(refusals.joined(separator: ", "))"
            throw GuestSSHError(
                .authentication, "the SSH server does not let \(peer) in: \(reason). Check the guest's user and keys")
        } catch let failure as SSHFailure where failure.isAuthentication {
            throw GuestSSHError(.authentication, "the SSH server does not let \(peer) in", cause: failure)
        }
    }

    /// Repeats a step until it has a result, asleep in between.
    private static func drive(
        _ wire: Wire, _ inbox: SSHInbox, until deadline: SuspendingClock.Instant, _ what: String,
        _ step: () throws -> Void?
    ) throws {
        while true {
            let before = wire.received
            let result: Void? = try step()
            wire.flush()
            if result != nil { return }
            // Also of a peer that says something again and again, and never what is waited for; and the word to stop may have
            // been taken together with the one that led here.
            if inbox.isStopping { throw GuestSSHError(.closed, "\(what) was broken off") }
            if SuspendingClock.Instant.now >= deadline { throw GuestSSHError(.timeout, "\(what) took too long") }
            // libssh2 may have stopped at a packet with more behind it: ask again before sleeping.
            if wire.received != before { continue }
            if wire.hasEnded {
                throw GuestSSHError(.unreachable, "\(what): the server closed the connection")
            }
            let events = Int16(POLLIN) | (wire.waiting > 0 ? Int16(POLLOUT) : 0)
            try wait(wire.descriptor, events, until: deadline, inbox, what)
        }
    }

    /// - Throws: `timeout` at the deadline, `closed` when the connection is to end.
    private static func wait(
        _ descriptor: Int32, _ events: Int16, until deadline: SuspendingClock.Instant, _ inbox: SSHInbox,
        _ what: String
    ) throws {
        while true {
            var descriptors = [
                pollfd(fd: descriptor, events: events, revents: 0),
                pollfd(fd: inbox.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            try poll(&descriptors, until: deadline)
            if inbox.isStopping { throw GuestSSHError(.closed, "\(what) was broken off") }
            if descriptors[0].revents != 0 { return }
            if SuspendingClock.Instant.now >= deadline { throw GuestSSHError(.timeout, "\(what) took too long") }
        }
    }
}
