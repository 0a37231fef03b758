import NIOCore

extension SSHLoop {
    /// Goes on with the channel that is being opened.
    /// - Returns: whether something came of it.
    func openNext() throws -> Bool {
        guard let (opening, since) = openings.first else { return false }
        if since == nil {
            guard opening.kind == .ping || opening.opened.isWaited else {
                openings.removeFirst()
                opening.released()
                return true
            }
            openings[0].since = .now
        }
        do {
            guard let channel = try session.open(opening.kind.name, message: opening.kind.message, window: Self.window)
            else { return false }
            openings.removeFirst()
            let (state, stream) = add(channel, isProcess: opening.kind == .session, released: opening.released)
            // Nobody waits any more: then the stream is dropped, and the channel closed with it.
            if !opening.opened.finish(.success(stream)) { state.close() }
        } catch let failure as SSHFailure where failure.isHarmless {
            openings.removeFirst()
            opening.fail(opening.kind.error(failure, peer))
        }
        return true
    }

    /// Goes on with what is to be listened on, takes what came in, ends what is over.
    func listenNext() throws -> Bool {
        var goesOn = false
        if let listening = listenings.first {
            do {
                if let listener = try session.listen(host: listening.host, port: listening.port, backlog: 16) {
                    listenings.removeFirst()
                    listeners[listening.id] = (listener, listening)
                    if !listening.bound.finish(.success(listener.port)) {
                        listeners[listening.id] = nil
                        cancelled.append(listener)
                    }
                    goesOn = true
                }
            } catch let failure as SSHFailure where failure.isHarmless {
                listenings.removeFirst()
                listening.bound.finish(
                    .failure(
                        GuestSSHError(
                            .refused,
                            "the guest at \(peer) does not forward its port \(listening.port): is it in use there?",
                            cause: failure)))
                goesOn = true
            }
        }
        for (listener, listening) in listeners.values {
            while let channel = try listener.accept() {
                let (_, stream) = add(channel, isProcess: false, released: {})
                listening.accepted(stream)
                goesOn = true
            }
        }
        if let listener = cancelled.first, try listener.cancel() != nil {
            cancelled.removeFirst()
            goesOn = true
        }
        return goesOn
    }

    private func add(
        _ channel: SSHChannel, isProcess: Bool, released: @escaping @Sendable () -> Void
    ) -> (SSHChannelState, SSHStream) {
        let stream = SSHStream(id: nextChannel, inbox: inbox, limit: Self.inflowLimit)
        let state = SSHChannelState(
            channel, stream, isProcess: isProcess, turn: turn, released: released)
        channels[nextChannel] = state
        nextChannel += 1
        return (state, stream)
    }
}

extension SSHOpening.Kind {
    fileprivate var name: String {
        switch self {
        case .session: "session"
        case .tcp: "direct-tcpip"
        case .ping: "ping@vzcri.dev"
        }
    }

    /// Where to, and from where (which servers only log).
    fileprivate var message: [UInt8] {
        guard case .tcp(let host, let port) = self else { return [] }
        var message = ByteBuffer()
        for (host, port) in [(host, port), ("127.0.0.1", 22)] {
            message.writeInteger(UInt32(host.utf8.count))
            message.writeString(host)
            message.writeInteger(UInt32(port))
        }
        return Array(message.readableBytesView)
    }

    fileprivate func error(_ failure: SSHFailure, _ peer: String) -> GuestSSHError {
        switch self {
        case .tcp(let host, let port):
            GuestSSHError(
                .refused, "nothing can be reached at \(host):\(port) from the guest at \(peer)", cause: failure)
        case .session, .ping:
            GuestSSHError(.channel, "the SSH server at \(peer) opens no further session", cause: failure)
        }
    }
}
