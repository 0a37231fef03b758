import Logging
import NIOCore
import Proto
import Registry
import Support
import Synchronization
import Testing

@testable import CRIShim

@Suite struct PrePullTests {
    // MARK: Windows

    @Test(
        "a window is open from its first minute to the one before its last, over midnight too",
        arguments: [
            ("01:00-05:00", 3600, true, 4 * 3600), ("01:00-05:00", 3599, false, 1),
            ("01:00-05:00", 5 * 3600, false, 20 * 3600), ("22:30-06:00", 0, true, 6 * 3600),
            ("22:30-06:00", 23 * 3600, true, 7 * 3600), ("22:30-06:00", 6 * 3600, false, 16 * 3600 + 1800),
            ("18:00-24:00", 18 * 3600, true, 6 * 3600), ("00:00-00:01", 59, true, 1),
        ])
    func window(text: String, second: Int, isOpen: Bool, rest: Int) throws {
        let window = try #require(DailyWindow(text))
        #expect(window.isOpen(at: second) == isOpen)
        #expect(window.untilChange(at: second) == rest)
    }

    @Test(
        "what is no window",
        arguments: [
            "", "1:00-5:00", "01:00", "01:00-01:00", "00:00-24:00", "25:00-26:00", "01:60-02:00", "-1:00-02:00",
        ])
    func noWindow(text: String) { #expect(DailyWindow(text) == nil) }

    // MARK: Rates

    @Test("as many bytes come as the rate says, whatever the pieces")
    func bucket() {
        let start = ContinuousClock.now
        for piece in [1, 7, 1000, 5000] {
            var bucket = TokenBucket(rate: 1000, burst: 500, now: start)
            var now = start
            var taken = 0
            while taken < 20_000 {
                now += bucket.take(piece, now: now)
                taken += piece
            }
            let expected = (Double(taken) - 500) / 1000
            #expect(abs((now - start) / .seconds(1) - expected) < 0.001)
        }
        var bucket = TokenBucket(rate: 1000, burst: 500, now: start)
        // A long pause gives no more than the burst.
        #expect(bucket.take(500, now: start + .seconds(1000)) == .zero)
        #expect(bucket.take(1000, now: start + .seconds(1000)) == .seconds(1))
    }

    @Test("who hurries frees those that wait for the rate")
    func hurry() async throws {
        let paces = PullPaces(rate: 1)
        // A day, at this rate.
        let slow = Task { try await paces.running("a", isHurried: false) { try await $0.pass(86_400) } }
        try await paces.running("a", isHurried: true) { pace in
            try await pace.pass(1 << 30)
            try await slow.value
        }
        let cancelled = Task { try await paces.running("a", isHurried: false) { try await $0.pass(86_400) } }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }

    // MARK: Order

    @Test("one after the other; what failed waits longer each time, and what is here is looked at again")
    func schedule() {
        let start = ContinuousClock.now
        var schedule = PrePullSchedule(["a", "b"], now: start)
        #expect(schedule.next(now: start).image == "a")
        schedule.began("a")
        schedule.failed("a", "gone", now: start)
        #expect(schedule.next(now: start).image == "b")
        schedule.succeeded("b", id: "sha256:b", now: start)
        #expect(schedule.next(now: start).image == nil)
        #expect(schedule.next(now: start).at == start + .seconds(10))
        schedule.failed("a", "gone", now: start)
        #expect(schedule.next(now: start).at == start + .seconds(20))
        for _ in 0..<40 { schedule.failed("a", "gone", now: start) }
        #expect(schedule.next(now: start).at == start + PrePullSchedule.longestWait)
        schedule.cut("a")
        #expect(schedule.entries[0].state == .waiting)
        #expect(schedule.next(now: start + .seconds(3600)).image == "a")
        schedule.succeeded("a", id: "sha256:a", now: start)
        #expect(schedule.entries.map(\.failures) == [0, 0])
    }

    @Test("nothing is pulled outside of the window, and its end cuts a pull off, which goes on with the next window")
    func cut() async throws {
        // Open for one more second, until it is set.
        let second = Mutex(59)
        let calls = Mutex<[String]>([])
        var settings = PrePull()
        settings.images = ["a", "b"]
        settings.window = DailyWindow("00:00-00:01")
        let log = RecordingLog()
        let puller = PrePuller(
            settings, logger: log.logger, clock: { second.withLock { $0 } },
            pull: { spec in
                calls.withLock { $0.append(spec.image) }
                second.withLock { $0 = 60 }
                try await Task.sleep(for: .seconds(3600))
                return ""
            })
        let task = Task { await puller.run() }
        try await eventually("the first is cut off") { log.lines.count == 1 && puller.entries[0].state == .waiting }
        #expect(log.lines[0].contains("window opens again"))
        task.cancel()
        await task.value
        #expect(calls.withLock { $0 } == ["a"])
    }

    @Test("a failure is told, and the others come all the same")
    func failure() async throws {
        var settings = PrePull()
        settings.images = ["bad", "good"]
        let log = RecordingLog()
        let puller = PrePuller(
            settings, logger: log.logger,
            pull: { spec in
                guard spec.image == "good" else { throw ShimError(.unavailable, "RegistryUnavailable: no \"way\"") }
                return "sha256:1"
            })
        let task = Task { await puller.run() }
        try await eventually("the good one is here") { puller.entries[1].state == .here(id: "sha256:1") }
        task.cancel()
        await task.value
        #expect(puller.entries[0].failures == 1)
        #expect(log.lines.contains { $0.hasPrefix("warning") && $0.contains("RegistryUnavailable") })
        #expect(puller.report.contains("\"state\":\"failed\"") && puller.report.contains("no \\\"way\\\""))
    }
}
