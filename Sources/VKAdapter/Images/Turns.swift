import NIOConcurrencyHelpers

/// Lets so many in at once; the others wait in line.
final class Turns: Sendable {
    private struct State {
        var free: Int
        var next = 0
        var line: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
        /// Gave up before they stood in line.
        var gone: Set<Int> = []
    }

    private let isUnlimited: Bool
    private let state: NIOLockedValueBox<State>

    /// - Parameter atOnce: 0 is no limit.
    init(_ atOnce: Int) {
        isUnlimited = atOnce <= 0
        state = NIOLockedValueBox(State(free: atOnce))
    }

    /// Waits for a turn, which ``give()`` ends.
    /// - Throws: `CancellationError`; there is no turn to end then.
    func take() async throws {
        try Task.checkCancellation()
        if isUnlimited { return }
        let id = state.withLockedValue { state in
            state.next += 1
            return state.next
        }
        let isMine = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLockedValue { state in
                    if state.gone.remove(id) != nil { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.line.append((id, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiting = state.withLockedValue { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.line.firstIndex(where: { $0.id == id }) else {
                    state.gone.insert(id)
                    return nil
                }
                return state.line.remove(at: index).continuation
            }
            waiting?.resume(returning: false)
        }
        // One that was cancelled after it had its turn has it.
        state.withLockedValue { _ = $0.gone.remove(id) }
        if !isMine { throw CancellationError() }
    }

    func give() {
        if isUnlimited { return }
        let next = state.withLockedValue { state -> CheckedContinuation<Bool, Never>? in
            if state.line.isEmpty {
                state.free += 1
                return nil
            }
            return state.line.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
