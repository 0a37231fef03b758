import Testing
import Waiting

@Suite(.timeLimit(.minutes(1))) struct BellTests {
    @Test("a ring wakes all who wait, and one that came before they did is not missed")
    func rings() async {
        let bell = Bell()
        let before = bell.rings
        async let first: Void = bell.wait(after: before)
        async let second: Void = bell.wait(after: before)
        bell.ring()
        await first
        await second
        await bell.wait(after: before)
        #expect(bell.rings == before + 1)
    }

    @Test("who is cancelled waits no longer")
    func cancelled() async {
        let bell = Bell()
        let waiting = Task { await bell.wait(after: bell.rings) }
        waiting.cancel()
        await waiting.value
    }
}
