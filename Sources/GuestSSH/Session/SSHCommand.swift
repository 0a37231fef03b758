import NIOCore

/// What a connection's thread is asked to do.
enum SSHCommand: Sendable {
    case open(SSHOpening)
    case channel(Int, SSHChannelJob)
    /// There is room again for what arrives on a channel.
    case resume(channel: Int)
    case close(channel: Int)
    case listen(SSHListening)
    case unlisten(id: Int)
    case authenticate(SSHCredentials, Pending<Void>)
    case stop

    /// The thread is gone.
    func fail(_ error: GuestSSHError) {
        switch self {
        case .open(let opening): opening.fail(error)
        case .channel(_, let job): job.fail(error)
        case .listen(let listening): listening.bound.finish(.failure(error))
        case .authenticate(_, let done): done.finish(.failure(error))
        case .resume, .close, .unlisten, .stop: break
        }
    }
}

/// A channel that is wanted.
struct SSHOpening: Sendable {
    enum Kind: Sendable, Hashable {
        case session
        case tcp(host: String, port: Int)
        /// Asks for a channel that no server offers: its refusal is the sign of life.
        case ping
    }
    var kind: Kind
    var deadline: SuspendingClock.Instant
    var opened: Pending<SSHStream>
    /// Called once: when it could not be opened, or was closed.
    var released: @Sendable () -> Void

    func fail(_ error: any Error) {
        opened.finish(.failure(error))
        released()
    }
}

/// What goes out on one channel, in order.
enum SSHChannelJob: Sendable {
    case terminal(type: String, modes: [UInt8], TerminalSize, Pending<Void>)
    case execute(String, Pending<Void>)
    case write(ByteBuffer, Pending<Void>)
    case resize(TerminalSize)
    case end

    func fail(_ error: any Error) {
        switch self {
        case .terminal(_, _, _, let done), .execute(_, let done), .write(_, let done): done.finish(.failure(error))
        case .resize, .end: break
        }
    }
}

/// A port on the peer's loopback that is to be forwarded here.
struct SSHListening: Sendable {
    var id: Int
    var host: String
    var port: Int
    var bound: Pending<Int>
    /// Called on the connection's thread.
    var accepted: @Sendable (SSHStream) -> Void
}

struct SSHCredentials: Sendable {
    var user: String
    var keyFile: String?
    var passphraseFile: String?
    var passwordFile: String?
    var deadline: SuspendingClock.Instant
}

/// What arrives on a channel.
enum SSHArrival: Sendable {
    case output(ByteBuffer)
    case errorOutput(ByteBuffer)
}

/// A channel as tasks see it. Closed at the latest with this object.
final class SSHStream: Sendable {
    let id: Int
    let inbox: SSHInbox
    let arrivals: Inflow<SSHArrival>
    /// How a process on it ended; for other channels that it is closed.
    let exit: Outcome<GuestExit>

    init(id: Int, inbox: SSHInbox, limit: Int) {
        self.id = id
        self.inbox = inbox
        arrivals = Inflow(limit: limit)
        exit = Outcome()
        arrivals.onRoom { inbox.post(.resume(channel: id)) }
    }

    deinit { close() }

    /// Again: nothing.
    func close() { inbox.post(.close(channel: id)) }

    func perform(_ job: (Pending<Void>) -> SSHChannelJob) async throws {
        let done = Pending<Void>()
        inbox.post(.channel(id, job(done)))
        try await done.value()
    }

    func post(_ job: SSHChannelJob) { inbox.post(.channel(id, job)) }
}
