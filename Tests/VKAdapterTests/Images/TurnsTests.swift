import NIOConcurrencyHelpers
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(1))) struct TurnsTests {
    @Test func `so many at once, and nobody is forgotten`() async throws {
        let turns = Turns(3)
        let counts = NIOLockedValueBox((now: 0, most: 0, done: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    do { try await turns.take() } catch { return }
                    counts.withLockedValue {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                    await Task.yield()
                    counts.withLockedValue {
                        $0.now -= 1
                        $0.done += 1
                    }
                    turns.give()
                }
            }
        }
        #expect(counts.withLockedValue { $0.done } == 50 && counts.withLockedValue { $0.most } <= 3)
    }

    @Test func `who gives up in line leaves its place to the next`() async throws {
        let turns = Turns(1)
        try await turns.take()
        let waiting = Task { try await turns.take() }
        let next = Task { try await turns.take() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        turns.give()
        try await next.value
        turns.give()
        let late = Task {
            while !Task.isCancelled { await Task.yield() }
            try await turns.take()
        }
        late.cancel()
        await #expect(throws: CancellationError.self) { try await late.value }
        try await turns.take()
        turns.give()
    }
}
