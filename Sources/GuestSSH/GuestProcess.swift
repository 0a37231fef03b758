public import NIOCore
import Synchronization
import Waiting

/// A command that runs in a guest. Killed, with everything it started, at the latest with this object.
public final class GuestProcess: Sendable {
    /// What it says, in the order it came; `exited` is the last.
    public enum Event: Sendable, Hashable {
        case output(ByteBuffer)
        case errorOutput(ByteBuffer)
        case exited(GuestExit)
    }

    /// Its process id in the guest.
    public let id: Int32
    let stream: SSHStream
    private let pool: LinkPool
    private let hasTerminal: Bool
    private let first: Mutex<[Event]>

    init(id: Int32, stream: SSHStream, pool: LinkPool, hasTerminal: Bool, first: [Event]) {
        self.id = id
        self.stream = stream
        self.pool = pool
        self.hasTerminal = hasTerminal
        self.first = Mutex(first)
    }

    deinit {
        guard stream.exit.result == nil else { return }
        Task { [id, stream, pool] in
            await Self.kill(id, stream, pool)
        }
    }

    /// For one reader. A slow one makes the command wait when it prints. Throws `GuestSSHError` when the connection is lost.
    public var output: GuestOutput { GuestOutput(process: self) }

    /// Nobody reads its output: it is dropped from now on.
    public func discardOutput() {
        first.withLock { $0 = [] }
        stream.arrivals.discard()
    }

    func next() async throws -> Event? {
        if let event = first.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return event }
        switch try await stream.arrivals.next() {
        case .output(let bytes): return .output(bytes)
        case .errorOutput(let bytes): return .errorOutput(bytes)
        case nil: return nil
        }
    }

    /// Until it has ended and its output was read (or ``discardOutput()`` was called).
    /// - Throws: `GuestSSHError` when that cannot be known any more; `CancellationError`, which leaves it running.
    public func wait() async throws -> GuestExit {
        try await stream.exit.value()
    }

    // MARK: input

    /// Suspends until the connection has taken all of it, which it does as fast as the command reads.
    public func write(_ bytes: ByteBuffer) async throws {
        try await stream.perform { .write(bytes, $0) }
    }

    /// The command reads to the end of what was written. On a terminal: the end-of-file character. After its end: nothing.
    public func closeInput() async throws {
        if hasTerminal {
            do {
                try await stream.perform { .write(ByteBuffer(bytes: [4]), $0) }
            } catch let error as GuestSSHError where error.code == .closed {
                // It may end at any moment, also at the end of its input.
            }
        } else {
            stream.post(.end)
        }
    }

    /// Only with a terminal.
    public func resize(_ size: TerminalSize) {
        if hasTerminal { stream.post(.resize(size)) }
    }

    // MARK: signals

    /// Sends a signal to the command itself, not to what it started.
    ///
    /// - Parameter name: `TERM`, `HUP`, `USR1`, …
    public func signal(_ name: String) async throws {
        let letters = name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name
        guard !letters.isEmpty, letters.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) }) else {
            throw GuestSSHError(.invalidArgument, "\(name) is no signal's name")
        }
        if stream.exit.result != nil { return }
        let (exit, text) = try await GuestLink.run(ProcessTree.signal(letters, to: id), pool)
        guard exit == .code(0) || stream.exit.result != nil else {
            throw GuestSSHError(.channel, "sending \(name) to process \(id) in the guest failed: \(text)")
        }
    }

    /// Kills it and everything it started, and gives its session back. Output that was not read is lost. Done again, or
    /// after its end: nothing.
    public func kill() async {
        if stream.exit.result == nil { await Self.kill(id, stream, pool) }
        stream.close()
    }

    private static func kill(_ id: Int32, _ stream: SSHStream, _ pool: LinkPool) async {
        // On its own: a task that was cancelled could not even do this.
        let killing = Task {
            _ = try await withDeadline(
                .seconds(20), or: GuestSSHError(.timeout, "killing process \(id) in the guest took too long")
            ) { try await GuestLink.run(ProcessTree.kill(id), pool) }
        }
        switch await killing.result {
        case .success:
            stream.arrivals.discard()
            // Its end arrives by itself; who waits for its exit code gets the true one.
            _ = try? await Task { try await withDeadline(.seconds(5), or: closing) { try await stream.exit.value() } }
                .value
        case .failure(let error): pool.notKilled(id, error)
        }
        stream.close()
    }

    private static var closing: GuestSSHError { GuestSSHError(.timeout, "waiting for a killed process's end") }
}

/// What a process in a guest says.
public struct GuestOutput: AsyncSequence, Sendable {
    let process: GuestProcess

    public func makeAsyncIterator() -> Iterator { Iterator(process: process) }

    public struct Iterator: AsyncIteratorProtocol {
        let process: GuestProcess
        private var isOver = false

        init(process: GuestProcess) { self.process = process }

        public mutating func next() async throws -> GuestProcess.Event? {
            if isOver { return nil }
            if let event = try await process.next() { return event }
            isOver = true
            return .exited(try await process.wait())
        }
    }
}
