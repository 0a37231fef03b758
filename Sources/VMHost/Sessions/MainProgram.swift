import HostFiles
import Logging
import NIOCore
import Synchronization
import VZEngine

/// The container's main command: its output goes to the log and to those who are attached, their input to it.
final class MainProgram: Sendable {
    private enum State {
        /// Input and sizes are kept until it runs.
        case waiting([CheckedContinuation<Void, Never>])
        case running(any GuestProgram)
        case ended
    }

    let output = Fanout()
    private let config: MachineConfig.Main
    private let log: ContainerLog
    private let logger: Logger
    private let state = Mutex(State.waiting([]))
    private let ran = Atomic(false)
    private let size = Mutex<GuestTerminalSize?>(nil)
    /// Finishes when all output has been taken.
    private let done = AsyncStream.makeStream(of: Never.self)

    init(_ config: MachineConfig.Main, log: ContainerLog, logger: Logger) {
        self.config = config
        self.log = log
        self.logger = logger
    }

    /// Starts it, says so, and follows it to its end.
    /// - Returns: the exit code and when it came.
    /// - Throws: `VZEngineError` when it did not start, or was lost.
    func run(in guest: any Guest, clock: Moment.Clock, onStart: () -> Void) async throws -> (code: Int32, at: Moment) {
        var request = GuestProgramRequest(Self.wrapped(config.command))
        request.environment = config.environment
        request.workingDirectory = config.workingDirectory
        if config.tty { request.terminal = size.withLock { $0 } ?? GuestTerminalSize(columns: 80, rows: 24) }
        request.hasInput = config.stdin
        request.isAlone = true
        defer { done.continuation.finish() }
        do {
            let program = try await guest.run(request)
            ran.store(true, ordering: .releasing)
            become(.running(program))
            onStart()
            // Its terminal may have been resized while it was being started.
            var given = request.terminal
            while config.tty, let wanted = size.withLock({ $0 }), wanted != given {
                do { try await program.resize(wanted) } catch {
                    logger.debug("the command's terminal keeps its size", metadata: ["error": "\(error)"])
                }
                given = wanted
            }
            let end = try await follow(program, clock)
            become(.ended)
            return end
        } catch {
            become(.ended)
            throw error
        }
    }

    /// The command's end is the container's end, also when it leaves others behind that hold its output: a shell waits for
    /// it, says nothing about it, and takes them away. What it is told by signal or terminal is the command's business.
    static func wrapped(_ command: [String]) -> [String] {
        let script = """
            vzcri_told=
            trap vzcri_told=1 TERM
            trap : INT QUIT HUP
            exec 3>&2 2>/dev/null
            [ -z "$vzcri_told" ] || exit 143
            (exec "$@" 2>&3 3>&-)
            code=$?
            leader=$$
            for file in /proc/[0-9]*/stat; do
                { read -r line <"$file"; } 2>/dev/null || continue
                id=${line%% *}
                set -- ${line##*) }
                [ "$3" = $leader ] || [ "$4" = $leader ] || continue
                if [ "$id" != $leader ]; then kill -s KILL "$id" 2>/dev/null; fi
            done
            exit "$code"
            """
        return ["/bin/sh", "-c", script, "vzcri-main"] + command
    }

    private func follow(_ program: any GuestProgram, _ clock: Moment.Clock) async throws -> (code: Int32, at: Moment) {
        while let event = try await program.next() {
            switch event {
            case .output(let bytes):
                output.publish(.output(bytes))
                await log.append(.stdout, bytes)
            case .errorOutput(let bytes):
                output.publish(.errorOutput(bytes))
                await log.append(.stderr, bytes)
            case .exited(let code): return (code, clock.now())
            }
        }
        throw VZEngineError(.guestUnreachable, "the connection to the command ended without its exit code")
    }

    /// Waits until nothing more comes of it, when it was started at all.
    func waitForEnd(atMost limit: Duration) async {
        guard case .running = state.withLock({ $0 }) else { return }
        let overdue = Task { [done] in
            try await Task.sleep(for: limit)
            done.continuation.finish()
        }
        for await _ in done.stream {}
        overdue.cancel()
    }

    /// Tells its process group to end.
    func terminate() async {
        guard case .running(let program) = state.withLock({ $0 }) else { return }
        do {
            try await program.signal("TERM")
        } catch {
            logger.warning("the command could not be told to end", metadata: ["error": "\(error)"])
        }
    }

    /// Whether it was ever started.
    var hasRun: Bool { ran.load(ordering: .acquiring) }

    // MARK: Input

    /// Waits until it runs, and while it does not read. Dropped when there is nobody to read it.
    func write(_ bytes: ByteBuffer) async throws { try await started()?.write(bytes) }

    func closeInput() async throws { try await started()?.closeInput() }

    func resize(_ size: GuestTerminalSize) async throws {
        self.size.withLock { $0 = size }
        if case .running(let program) = state.withLock({ $0 }) { try await program.resize(size) }
    }

    private func started() async -> (any GuestProgram)? {
        guard config.stdin else { return nil }
        await withCheckedContinuation { continuation in
            let waits = state.withLock { state in
                guard case .waiting(let continuations) = state else { return false }
                state = .waiting(continuations + [continuation])
                return true
            }
            if !waits { continuation.resume() }
        }
        guard case .running(let program) = state.withLock({ $0 }) else { return nil }
        return program
    }

    /// No more comes: those who wait to write are let go.
    func abandon() { become(.ended) }

    private func become(_ next: State) {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            defer { state = next }
            if case .waiting(let continuations) = state { return continuations }
            return []
        }
        for continuation in waiting { continuation.resume() }
    }
}
