import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Where tasks leave commands for a connection's thread, and what wakes it.
final class SSHInbox: Sendable {
    private struct State {
        var commands: [SSHCommand] = []
        var isStopping = false
        var closed: GuestSSHError?
        var reading: Int32 = -1
        var writing: Int32 = -1
    }
    private let state: Mutex<State>

    init() throws(GuestSSHError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw GuestSSHError(.exhausted, "making a pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
        }
        state = Mutex(State(reading: ends[0], writing: ends[1]))
    }

    deinit { close(GuestSSHError(.closed, "the connection was never used")) }

    func post(_ command: SSHCommand) {
        let closed = state.withLock { state in
            if let closed = state.closed { return closed as GuestSSHError? }
            if case .stop = command { state.isStopping = true }
            state.commands.append(command)
            if state.commands.count == 1 { wake(state.writing) }
            return nil
        }
        if let closed { command.fail(closed) }
    }

    private func wake(_ descriptor: Int32) {
        var byte: UInt8 = 0
        _ = write(descriptor, &byte, 1)
    }

    // MARK: for the thread

    /// Readable when there are commands.
    var descriptor: Int32 { state.withLock { $0.reading } }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    var hasCommands: Bool { state.withLock { !$0.commands.isEmpty } }

    func take() -> [SSHCommand] {
        state.withLock { state in
            guard !state.commands.isEmpty else { return [] }
            var bytes: (UInt64, UInt64) = (0, 0)
            _ = read(state.reading, &bytes, 16)
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// Nothing is taken any more: what is there and what comes fails with this.
    func close(_ error: GuestSSHError) {
        let commands = state.withLock { state in
            guard state.closed == nil else { return [SSHCommand]() }
            state.closed = error
            #if canImport(Glibc)
            Glibc.close(state.reading)
            Glibc.close(state.writing)
            #else
            Darwin.close(state.reading)
            Darwin.close(state.writing)
            #endif
            defer { state.commands = [] }
            return state.commands
        }
        for command in commands { command.fail(error) }
    }
}
