import NIOCore

/// A channel on its connection's thread: what is to go out, and how far what comes in has come.
final class SSHChannelState {
    private enum Phase {
        /// The peer may still send.
        case reading
        /// It has sent all; whether it closes, and with which exit code, is yet to come.
        case ended
        /// Nothing more is taken or delivered; waits for the peer to close as well.
        case closing
        case over
    }

    private let channel: SSHChannel
    /// Not held: the channel is closed when tasks have dropped it.
    private let arrivals: Inflow<SSHArrival>
    private let exit: Outcome<GuestExit>
    private let isProcess: Bool
    private let released: @Sendable () -> Void
    private let turn: ReplyTurn
    private var jobs: [SSHChannelJob] = []
    private var phase = Phase.reading
    private var isPaused = false
    /// Our side has sent its end.
    private var hasEnded = false
    private var isReleased = false

    init(
        _ channel: SSHChannel, _ stream: SSHStream, isProcess: Bool, turn: ReplyTurn,
        released: @escaping @Sendable () -> Void
    ) {
        self.channel = channel
        self.turn = turn
        arrivals = stream.arrivals
        exit = stream.exit
        self.isProcess = isProcess
        self.released = released
    }

    var isOver: Bool { if case .over = phase { true } else { false } }
    /// Makes libssh2 read.
    /// - Returns: whether it read all there is.
    func pump() throws -> Bool {
        if case .reading = phase { try channel.pump() } else { false }
    }

    /// Its reader is slow, and has not got all yet.
    var isHeldBack: Bool { if case .reading = phase { isPaused } else { false } }

    func add(_ job: SSHChannelJob) {
        switch phase {
        case .reading, .ended: jobs.append(job)
        case .closing, .over: job.fail(GuestSSHError(.closed, "the SSH session is closed"))
        }
    }

    func resume() { isPaused = false }

    func close() {
        switch phase {
        case .reading, .ended: finish(GuestSSHError(.closed, "the SSH session was closed"))
        case .closing, .over: break
        }
    }

    /// The peer refused something, or closed without need.
    func fail(_ error: GuestSSHError) { finish(error) }

    /// The connection is gone.
    func abandon(_ error: GuestSSHError) {
        finish(error)
        phase = .over
        release()
    }

    /// Says that the peer holds nothing of it any more.
    func release() {
        // Whoever closes while an answer is outstanding gets it before the peer's close.
        turn.giveBack(self)
        guard !isReleased else { return }
        isReleased = true
        released()
    }

    private func finish(_ error: GuestSSHError?) {
        let jobs = jobs
        self.jobs = []
        let end = error ?? GuestSSHError(.closed, "the guest closed the session")
        for job in jobs { job.fail(end) }
        exit.finish(.failure(end))
        arrivals.finish(error.map { .failure($0) } ?? .success(()))
        turn.isClosing(self)
        phase = .closing
    }

    /// - Returns: whether something could be done.
    func work(_ buffer: UnsafeMutableRawBufferPointer, _ wire: Wire) throws -> Bool {
        switch phase {
        case .reading:
            let wrote = try send(wire)
            return try read(buffer) || wrote
        case .ended:
            let wrote = try send(wire)
            guard try channel.isClosed() else { return wrote }
            if isProcess { exit.finish(.success(channel.exit)) }
            finish(nil)
            return true
        case .closing:
            guard try channel.free() != nil else { return false }
            phase = .over
            return true
        case .over: return false
        }
    }

    private func read(_ buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        var goesOn = false
        if !isPaused {
            let count = try channel.read(errorOutput: false, into: buffer)
            if count > 0 {
                goesOn = true
                isPaused = !arrivals.offer(.output(copy(buffer, count)), size: count)
            }
        }
        if !isPaused {
            let count = try channel.read(errorOutput: true, into: buffer)
            if count > 0 {
                goesOn = true
                isPaused = !arrivals.offer(.errorOutput(copy(buffer, count)), size: count)
            }
        }
        if !goesOn, channel.isAtEnd {
            phase = .ended
            if !isProcess { arrivals.finish() }
            return true
        }
        return goesOn
    }

    private func copy(_ buffer: UnsafeMutableRawBufferPointer, _ count: Int) -> ByteBuffer {
        ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }

    /// Performs jobs as far as they go.
    private func send(_ wire: Wire) throws -> Bool {
        var goesOn = false
        while let job = jobs.first, !wire.isFull {
            switch job {
            case .write(var bytes, let done):
                while bytes.readableBytes > 0, !wire.isFull {
                    guard let count = try bytes.withUnsafeReadableBytes({ try channel.write($0) }) else { break }
                    bytes.moveReaderIndex(forwardBy: count)
                    goesOn = true
                }
                guard bytes.readableBytes == 0 else {
                    jobs[0] = .write(bytes, done)
                    return goesOn
                }
                done.finish(.success(()))
            case .terminal(let type, let modes, let size, let done):
                guard try asked({ try channel.requestTerminal(type, modes: modes, size) }) else { return goesOn }
                done.finish(.success(()))
            case .execute(let command, let done):
                guard try asked({ try channel.execute(command) }) else { return goesOn }
                done.finish(.success(()))
            case .resize(let size):
                guard try channel.resize(size) != nil else { return goesOn }
            case .end:
                guard try hasEnded || channel.sendEnd() != nil else { return goesOn }
                hasEnded = true
            }
            jobs.removeFirst()
            goesOn = true
        }
        return goesOn
    }

    /// Goes on with a request that the peer answers, when it is this channel's turn.
    /// - Returns: whether the answer has come.
    private func asked(_ request: () throws -> Void?) throws -> Bool {
        guard turn.take(self) else { return false }
        do {
            guard try request() != nil else { return false }
        } catch {
            turn.giveBack(self)
            throw error
        }
        turn.giveBack(self)
        return true
    }
}
