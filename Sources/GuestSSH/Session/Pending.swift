import Synchronization

/// A value that another thread or task will provide, awaited by one task.
final class Pending<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, any Error>)
        case finished(Result<Value, any Error>)
        /// Delivered, or given up by who waited.
        case over
    }
    private let state = Mutex(State.idle)

    /// The first result counts.
    /// - Returns: whether somebody takes it, now or later.
    @discardableResult
    func finish(_ result: Result<Value, any Error>) -> Bool {
        var continuation: CheckedContinuation<Value, any Error>?
        let isTaken = state.withLock { state in
            switch state {
            case .idle: state = .finished(result)
            case .waiting(let waiting):
                continuation = waiting
                state = .over
            case .finished, .over: return false
            }
            return true
        }
        continuation?.resume(with: result)
        return isTaken
    }

    /// Whether a result would still be taken.
    var isWaited: Bool {
        state.withLock {
            switch $0 {
            case .idle, .waiting: true
            case .finished, .over: false
            }
        }
    }

    /// - Throws: what it was finished with, or `CancellationError` at once when the task is cancelled.
    func value() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Value, any Error>? = state.withLock { state in
                    switch state {
                    case .idle:
                        state = .waiting(continuation)
                        return nil
                    case .finished(let result):
                        state = .over
                        return result
                    case .waiting, .over: return .failure(CancellationError())
                    }
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            finish(.failure(CancellationError()))
        }
    }
}

/// A value that is provided once and may be awaited by many.
final class Outcome<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var waiting: [Pending<Value>] = []
    }
    private let state = Mutex(State())

    /// The first result counts.
    func finish(_ result: Result<Value, any Error>) {
        let waiting = state.withLock { state in
            guard state.result == nil else { return [Pending<Value>]() }
            state.result = result
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { one.finish(result) }
    }

    var result: Result<Value, any Error>? { state.withLock { $0.result } }

    func value() async throws -> Value {
        let pending = Pending<Value>()
        let result = state.withLock { state in
            if state.result == nil { state.waiting.append(pending) }
            return state.result
        }
        if let result { return try result.get() }
        return try await pending.value()
    }
}
