import Testing
import Waiting

@Suite(.timeLimit(.minutes(1))) struct DeadlineTests {
    private struct Late: Error {}
    private struct Broken: Error {}

    @Test("what is done in time is the result, and so is how it failed")
    func inTime() async throws {
        #expect(try await withDeadline(.seconds(600), or: Late()) { 7 } == 7)
        await #expect(throws: Broken.self) { try await withDeadline(.seconds(600), or: Late()) { throw Broken() } }
    }

    @Test("what takes too long is cancelled, and what it makes of that does not count")
    func late() async {
        await #expect(throws: Late.self) {
            try await withDeadline(.milliseconds(10), or: Late()) { try await Task.sleep(for: .seconds(600)) }
        }
        await #expect(throws: Late.self) {
            try await withDeadline(.milliseconds(10), or: Late()) {
                do { try await Task.sleep(for: .seconds(600)) } catch { throw Broken() }
            }
        }
    }

    @Test("the caller's cancellation is no failure of what was called")
    func cancelled() async {
        let task = Task {
            try await withDeadline(.seconds(600), or: Late()) {
                do { try await Task.sleep(for: .seconds(600)) } catch { throw Broken() }
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
