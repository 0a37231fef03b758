import Dispatch
import Synchronization
import VZEngine

/// The outcome of something that happens once, and elsewhere: any number may wait for it, each as long as it likes.
final class Answer: Sendable {
    private typealias Waiting = CheckedContinuation<Void, any Error>
    private struct State {
        var result: Result<Void, any Error>?
        var waiting: [Int: Waiting] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    var isGiven: Bool { state.withLock { $0.result != nil } }

    /// The first counts.
    func give(_ result: Result<Void, any Error> = .success(())) {
        let waiting = state.withLock { state -> [Waiting] in
            guard state.result == nil else { return [] }
            state.result = result
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for one in waiting { one.resume(with: result) }
    }

    /// - Throws: what was answered, `CancellationError`, or `deadline` with the words given.
    func wait(within limit: Duration? = nil, _ late: String = "it took too long") async throws {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        let timer = limit.map { limit in
            let timer = DispatchWorkItem { [weak self] in
                self?.dismiss(number, VZEngineError(.deadline, "\(late): waited \(limit)"))
            }
            DispatchQueue.global().asyncAfter(deadline: .now() + limit.inSeconds, execute: timer)
            return timer
        }
        defer { timer?.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: Waiting) in
                let known = state.withLock { state -> Result<Void, any Error>? in
                    if let result = state.result { return result }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting[number] = continuation
                    return nil
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            dismiss(number, CancellationError())
        }
    }

    /// Waits for it, whatever it is, and says whether it came.
    @discardableResult
    func isGiven(within limit: Duration? = nil) async -> Bool {
        do {
            try await wait(within: limit)
            return true
        } catch {
            return isGiven
        }
    }

    private func dismiss(_ number: Int, _ error: any Error) {
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(throwing: error)
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
