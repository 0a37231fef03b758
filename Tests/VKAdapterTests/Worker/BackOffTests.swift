import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct BackOffTests {
    let start = Runtime.timestamp(0)
    func at(_ seconds: Int) -> Timestamp { start.advanced(by: .seconds(seconds)) }

    @Test("a container that ends at once again waits 10 s, 20 s, … 5 minutes, and the first restart waits for nothing")
    func doubling() {
        var backoff = BackOffs()
        var now = 0
        var delays: [Duration] = []
        for _ in 0..<8 {
            let ended = at(now)
            if let (delay, until) = backoff.restartDelay("c", ended: ended, remembered: nil, now: ended) {
                delays.append(delay)
                #expect(until == ended.advanced(by: delay))
                now += Int(delay.components.seconds)
            }
            #expect(backoff.restartDelay("c", ended: ended, remembered: nil, now: at(now)) == nil)
            backoff.restarted("c", ended: ended, remembered: nil, now: at(now))
        }
        #expect(delays == [10, 20, 40, 80, 160, 300, 300].map { .seconds($0) })
    }

    @Test("after ten quiet minutes the first delay is used again")
    func reset() {
        var backoff = BackOffs()
        for second in [0, 10, 30] { backoff.restarted("c", ended: at(second), remembered: nil, now: at(second)) }
        #expect(backoff.restarts["c"]?.delay == .seconds(40))
        #expect(backoff.restartDelay("c", ended: at(630), remembered: nil, now: at(630)) != nil)
        #expect(backoff.restartDelay("c", ended: at(631), remembered: nil, now: at(631)) == nil)
        backoff.restarted("c", ended: at(631), remembered: nil, now: at(631))
        #expect(backoff.restarts["c"]?.delay == .seconds(10))
    }

    @Test(
        "what the runtime remembers gives the delay an adapter would have that had never stopped",
        arguments: [(0, nil), (1, 10), (2, 20), (5, 160), (6, 300), (1000, 300), (UInt32.max, 300)]
            as [(UInt32, Int?)])
    func remembered(attempt: UInt32, seconds: Int?) {
        let entry = BackOff.remembered(attempt: attempt, createdAt: start, .kubelet)
        #expect(entry?.delay == seconds.map { .seconds($0) })
    }

    @Test("a failed pull is ErrImagePull first and ImagePullBackOff then, for doubling times")
    func pulls() {
        var backoff = BackOffs()
        backoff.pullFailed("c", image: "i:1", cause: "no route", now: at(0))
        #expect(backoff.hold(.container("c"), now: at(1))?.reason == .errImagePull("no route"))
        #expect(backoff.hold(.container("c"), now: at(1))?.until == at(5))
        #expect(backoff.hold(.container("c"), now: at(5))?.reason.reason == "ImagePullBackOff")
        #expect(backoff.hold(.container("c"), now: at(5))?.until == at(10))
        #expect(backoff.hold(.container("c"), now: at(10)) == nil)
        backoff.pullFailed("c", image: "i:1", cause: "no route", now: at(10))
        #expect(backoff.hold(.container("c"), now: at(29)) != nil)
        #expect(backoff.hold(.container("c"), now: at(30)) == nil)
        backoff.pulled("i:1")
        backoff.pullFailed("c", image: "i:1", cause: "no route", now: at(40))
        #expect(backoff.hold(.container("c"), now: at(50)) == nil)
    }
}
