import Testing

@testable import KubeAPI

/// What ends a wait before a further try.
@Suite(.timeLimit(.minutes(1))) struct RecoveryTests {
    private let start = ContinuousClock.now

    @Test func `the first answer after an outage wakes everybody`() async throws {
        let recovery = Recovery()
        recovery.failed()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 { group.addTask { try await recovery.pause(.seconds(3600), since: .now) } }
            // Whoever comes to wait after the answer is told of it too: its try began before.
            group.addTask { recovery.answered(at: .now + .seconds(5)) }
            try await group.waitForAll()
        }
    }

    @Test func `a try that began before the outage ended does not wait`() async throws {
        let recovery = Recovery()
        recovery.failed()
        recovery.answered(at: start + .seconds(5))
        try await recovery.pause(.seconds(3600), since: start + .seconds(4))
        let began = ContinuousClock.now
        try await recovery.pause(.milliseconds(30), since: start + .seconds(6))
        #expect(began.duration(to: .now) >= .milliseconds(30))
    }

    /// Otherwise a request that always fails would be asked again and again while others are answered.
    @Test func `one that keeps failing while others are answered waits`() async throws {
        let recovery = Recovery(patience: .seconds(1))
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await recovery.pause(.milliseconds(100), since: start) }
            group.addTask {
                for number in 1...20 {
                    recovery.failed()
                    recovery.answered(at: start + .milliseconds(number))
                }
            }
            try await group.waitForAll()
        }
        #expect(began.duration(to: .now) >= .milliseconds(100))
    }

    @Test func `a wait ends with its task`() async throws {
        let recovery = Recovery()
        recovery.failed()
        let task = Task { try await recovery.pause(.seconds(3600), since: .now) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
