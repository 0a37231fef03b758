import Testing
import VZEngine

@testable import VZEngineApple

@Suite("Why a machine of the framework ended")
struct EndVerdictTests {
    enum Word { case forced, stopped, failed, panic, outlived }

    @Test(
        "the first cause counts, and a panic explains what follows",
        arguments: [
            ([Word.stopped], MachineEnd.poweredOff), ([.forced], .forced), ([.forced, .stopped], .forced),
            ([.stopped, .forced], .poweredOff), ([.failed], .crashed(message: "f")),
            ([.forced, .failed], .forced), ([.panic, .stopped], .panicked(message: "p")),
            ([.panic, .failed], .panicked(message: "p")), ([.panic, .outlived], .panicked(message: "p")),
            ([.panic, .forced], .forced), ([.outlived, .stopped], .poweredOff),
            ([.panic], .panicked(message: "p")), ([], .crashed(message: "the machine ended, and nobody said why")),
        ])
    func verdicts(_ words: [Word], _ end: MachineEnd) {
        var verdict = EndVerdict()
        for word in words {
            switch word {
            case .forced: verdict.powerOffRequested()
            case .stopped: verdict.guestStopped()
            case .failed: verdict.failed("f")
            case .panic: verdict.consolePanicked("p")
            case .outlived: verdict.outlivedPanic()
            }
        }
        #expect(verdict.end == end)
    }
}

@Suite("An answer")
struct AnswerTests {
    @Test("is the first one, for all who wait")
    func first() async throws {
        let answer = Answer()
        let waiting = (0..<4).map { _ in Task { try await answer.wait() } }
        answer.give()
        answer.give(.failure(CancellationError()))
        for one in waiting { try await one.value }
        try await answer.wait()
    }

    @Test("is waited for no longer than allowed, and by nobody who is cancelled")
    func limits() async {
        let answer = Answer()
        await #expect(throws: VZEngineError.self) { try await answer.wait(within: .milliseconds(5)) }
        let waiting = Task { try await answer.wait() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(await !answer.isGiven(within: .milliseconds(5)))
        answer.give(.failure(VZEngineError(.failed, "no")))
        #expect(await answer.isGiven(within: .seconds(30)))
    }
}
