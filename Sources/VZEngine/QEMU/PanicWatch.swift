package import NIOCore
import Synchronization

/// A ``PanicScanner`` that can be waited for.
package final class PanicWatch: Sendable {
    private struct State {
        var scanner = PanicScanner()
        var isEnded = false
        var waiting: [CheckedContinuation<String?, Never>] = []

        mutating func takeWaiting() -> [CheckedContinuation<String?, Never>] {
            defer { waiting = [] }
            return waiting
        }
    }
    private let state = Mutex(State())

    package init() {}

    package func scan(_ bytes: ByteBuffer) {
        let (message, waiting) = state.withLock { state in
            state.scanner.scan(bytes) ? (state.scanner.message, state.takeWaiting()) : (nil, [])
        }
        for continuation in waiting { continuation.resume(returning: message) }
    }

    package func end() {
        let waiting = state.withLock { state in
            state.isEnded = true
            return state.takeWaiting()
        }
        for continuation in waiting { continuation.resume(returning: nil) }
    }

    /// Suspends until there is one, or there will be none.
    package func message() async -> String? {
        await withCheckedContinuation { continuation in
            let known: String?? = state.withLock { state in
                if let message = state.scanner.message { return .some(message) }
                if state.isEnded { return .some(nil) }
                state.waiting.append(continuation)
                return .none
            }
            if let known { continuation.resume(returning: known) }
        }
    }
}
