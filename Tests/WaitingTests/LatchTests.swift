import Testing
import Waiting

@Suite(.timeLimit(.minutes(1))) struct LatchTests {
    @Test("a latch lets everybody through once it is open")
    func opens() async throws {
        let latch = Latch()
        #expect(await latch.wait(atMost: .milliseconds(1)) == false)
        async let first = latch.wait(atMost: .seconds(600))
        async let second: Void = latch.wait()
        latch.open()
        #expect(await first)
        await second
        #expect(latch.isOpen)
        #expect(await latch.wait(atMost: .zero))
    }

    @Test("who is cancelled waits no longer")
    func cancelled() async {
        let latch = Latch()
        let waiting = Task { await latch.wait(atMost: .seconds(600)) }
        waiting.cancel()
        #expect(await waiting.value == false)
    }

    @Test("of several the first counts")
    func several() async {
        let latches = [Latch(), Latch()]
        async let first = Latch.first(of: latches, atMost: .seconds(600))
        latches[1].open()
        #expect(await first)
        #expect(await Latch.first(of: [Latch()], atMost: .milliseconds(1)) == false)
    }
}
