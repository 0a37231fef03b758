import Synchronization

/// Pulls that go on, and the last that ended, for those who watch them.
final class PullBoard: Sendable {
    struct Pull: Sendable, Hashable {
        struct Part: Sendable, Hashable {
            var done: UInt64 = 0
            var total: UInt64 = 0
        }
        var image: String
        /// By the engine's name for it; a layer that is here is none.
        var parts: [String: Part] = [:]
        var isFinished = false
        /// Empty while it goes on and when it succeeded.
        var failure = ""
        /// Nanoseconds since 1970.
        var startedAt: Int64
        var changedAt: Int64

        var done: UInt64 { parts.values.reduce(0) { $0 &+ $1.done } }
        var total: UInt64 { parts.values.reduce(0) { $0 &+ $1.total } }
        var perSecond: UInt64 {
            let time = Double(changedAt - startedAt) / 1_000_000_000
            return time > 0 ? UInt64(Double(done) / time) : 0
        }
    }

    /// Pulls that ended and are still told of.
    static let remembered = 50

    let watchers = Watchers()
    private struct State {
        var pulls: [Int: Pull] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    /// In the order they began.
    var all: [(id: Int, pull: Pull)] {
        state.withLock { $0.pulls }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Shows a pull while `body` does it.
    func showing<R>(_ image: String, _ body: (Int) async throws -> R) async throws -> R {
        let id = state.withLock { state in
            state.next += 1
            let now = Timestamps.now()
            state.pulls[state.next] = Pull(image: image, startedAt: now, changedAt: now)
            return state.next
        }
        watchers.tell()
        do {
            let result = try await body(id)
            finish(id, "")
            return result
        } catch {
            finish(id, "\(error)")
            throw error
        }
    }

    func note(_ id: Int, part: String, done: UInt64, total: UInt64) {
        state.withLock { state in
            state.pulls[id]?.parts[part] = Pull.Part(done: done, total: max(done, total))
            state.pulls[id]?.changedAt = Timestamps.now()
        }
        watchers.tell()
    }

    private func finish(_ id: Int, _ failure: String) {
        state.withLock { state in
            state.pulls[id]?.isFinished = true
            state.pulls[id]?.failure = failure
            state.pulls[id]?.changedAt = Timestamps.now()
            let ended = state.pulls.filter(\.value.isFinished).keys.sorted()
            for old in ended.dropLast(Self.remembered) { state.pulls[old] = nil }
        }
        watchers.tell()
    }
}
