import Testing

@testable import VMImages

@Suite("In which order frames are fetched")
struct FetchQueueTests {
    /// Frames of 1 MiB, one after the other in packs of `perPack`.
    private func items(_ count: Int, perPack: Int = 100, length: Int = 1 << 20) -> [FetchQueue.Item] {
        (0..<count).map { number in
            .init(
                disk: 0,
                frame: .init(
                    offset: Int64(number) << 22, digest: "\(number)", pack: number / perPack,
                    start: Int64(number % perPack * length), length: length))
        }
    }

    private func jobs(_ queue: inout FetchQueue) -> [[Int]] {
        var jobs: [[Int]] = []
        while let job = queue.next() { jobs.append(job.numbers) }
        return jobs
    }

    @Test("as long as a guest starts, what it waits for is fetched and nothing else")
    func wanted() {
        var queue = FetchQueue(items(100))
        #expect(jobs(&queue).isEmpty)
        queue.want([40, 7])
        queue.want([7])
        #expect(queue.next() == .init(numbers: [40], isWanted: true))
        #expect(queue.next() == .init(numbers: [7], isWanted: true))
        #expect(queue.next() == nil)
        queue.want([40])
        #expect(queue.next() == nil, "two who want the same share it")
    }

    @Test("what a guest reads first is fetched ahead, several neighbours at once; who waits comes first")
    func order() {
        var queue = FetchQueue(items(100, perPack: 4), here: [2], order: [50, 51, 52, 1, 2, 3, 99])
        queue.want([60])
        #expect(jobs(&queue) == [[60], [50, 51], [52], [1], [3]])
        queue.ended(.init(numbers: [1], isWanted: false))
        #expect(queue.next()?.numbers == [99])
    }

    @Test("the rest comes in order, when it may, and makes way for a guest")
    func rest() {
        var queue = FetchQueue(items(30), here: [1], order: [])
        queue.takesRest = true
        queue.want([3])
        let wanted = queue.next()
        #expect(wanted?.numbers == [3])
        #expect(queue.next() == nil, "a guest waits")
        queue.done(3)
        queue.ended(.init(numbers: [3], isWanted: true))
        #expect(jobs(&queue) == [[0], [2], [4, 5, 6, 7, 8, 9, 10, 11], [12, 13, 14, 15, 16, 17, 18, 19]])
    }

    @Test("what did not come is missing again, and all is there in the end")
    func failing() {
        var queue = FetchQueue(items(20), order: [5])
        queue.takesRest = true
        var fails: Set = [5, 0, 13]
        var rounds = 0
        while !queue.isWhole, rounds < 100 {
            rounds += 1
            var running: [FetchQueue.Job] = []
            while let job = queue.next() { running.append(job) }
            for job in running {
                for number in job.numbers where fails.remove(number) == nil { queue.done(number) }
                queue.ended(job)
            }
        }
        #expect(queue.isWhole && rounds < 10 && fails.isEmpty)
        #expect(queue.next() == nil)
    }

    @Test("what is lost is in nobody's way: it is tried again for who asks, and when nothing else is left")
    func lost() {
        var queue = FetchQueue(items(30, perPack: 10))
        queue.takesRest = true
        queue.want(Array(0..<10))
        let wanted = (0..<FetchQueue.wantedLimit).compactMap { _ in queue.next() }
        #expect(wanted.map(\.numbers) == (0..<8).map { [$0] })
        #expect(queue.next() == nil, "guests wait")
        for job in wanted {
            queue.setAside(job.numbers)
            queue.ended(.init(numbers: [], isWanted: true))
        }
        #expect(queue.hasLost && !queue.isWhole)
        #expect(jobs(&queue) == [[8], [9]], "others come")
        for number in [8, 9] {
            queue.done(number)
            queue.ended(.init(numbers: [number], isWanted: true))
        }
        #expect(
            jobs(&queue) == [Array(10..<18), Array(18..<20), Array(20..<28), Array(28..<30)], "and so does the rest")
        queue.retryLost()
        #expect(queue.next() == nil, "not before it is there")
        for numbers in [Array(10..<18), Array(18..<20), Array(20..<28), Array(28..<30)] {
            for number in numbers { queue.done(number) }
            queue.ended(.init(numbers: numbers, isWanted: false))
        }
        #expect(queue.next() == nil)
        queue.want([3])
        #expect(queue.next() == .init(numbers: [3], isWanted: true))
        queue.done(3)
        queue.ended(.init(numbers: [3], isWanted: true))
        queue.retryLost()
        #expect(jobs(&queue) == [[0, 1, 2], [4, 5, 6, 7]])
        for number in [0, 1, 2, 4, 5, 6, 7] { queue.done(number) }
        #expect(queue.isWhole && !queue.hasLost)
    }

    @Test("of what fails again and again the log hears first, and then now and then")
    func failures() {
        var failures = Failures()
        let said = (0..<41).filter { _ in failures.isWorthSaying() }
        #expect(said == [0, 20, 40])
        failures.end()
        let anew = (0..<2).filter { _ in failures.isWorthSaying() }
        #expect(anew == [0])
    }

    @Test("frames that build on others come one by one")
    func based() {
        var some = items(4)
        some[1].frame.base = .init(digest: "x", pack: 0, start: 0, length: 5)
        var queue = FetchQueue(some)
        queue.takesRest = true
        #expect(jobs(&queue) == [[0], [1], [2, 3]])
    }

    @Test("a boot order survives its text; lines that make no sense are left out")
    func text() {
        let order = BootOrder(runs: [.init(disk: 0, offset: 0), .init(disk: 1, offset: 12 << 22)])
        #expect(BootOrder(parsing: order.bytes) == order)
        let odd = "vzcri boot order 1\n0 4194304\n0\nx y\n0 1 2\n"
        #expect(BootOrder(parsing: Array(odd.utf8)).runs == [.init(disk: 0, offset: 4 << 20)])
        #expect(BootOrder(parsing: Array("vzcri boot order 2\n0 0\n".utf8)).runs.isEmpty)
    }
}
