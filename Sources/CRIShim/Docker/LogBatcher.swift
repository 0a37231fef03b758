import HostFiles
import Synchronization

/// Between the engine, which hands out a log message by message, and the file, where every write costs a change of
/// threads: what came while one batch was written is the next batch.
final class LogBatcher: Sendable {
    /// Lines that may wait.
    private static let limit = 4096

    private struct State {
        var lines: [LogLine] = []
        var isEnded = false
        var reader: CheckedContinuation<Void, Never>?
        var writer: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Hands over lines; suspends while too many wait.
    func add(_ lines: [LogLine]) async {
        let (reader, isFull) = state.withLock { state in
            state.lines += lines
            defer { state.reader = nil }
            return (state.reader, state.lines.count > Self.limit)
        }
        reader?.resume()
        guard isFull else { return }
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                if state.lines.count <= Self.limit || state.isEnded { return true }
                state.writer = continuation
                return false
            }
            if goesOn { continuation.resume() }
        }
    }

    /// No more lines will be added, or none will be taken.
    func end() {
        let waiting = state.withLock { state in
            state.isEnded = true
            defer {
                state.reader = nil
                state.writer = nil
            }
            return [state.reader, state.writer]
        }
        for continuation in waiting { continuation?.resume() }
    }

    /// All lines that wait; suspends until there are some. nil at the end.
    func next() async -> [LogLine]? {
        while true {
            let (lines, isEnded, writer) = state.withLock { state in
                defer {
                    state.lines = []
                    state.writer = nil
                }
                return (state.lines, state.isEnded, state.writer)
            }
            writer?.resume()
            if !lines.isEmpty { return lines }
            if isEnded { return nil }
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if !state.lines.isEmpty || state.isEnded { return true }
                    state.reader = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        }
    }
}
