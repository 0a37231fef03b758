import Support
import Testing

@testable import VMImages

@Suite struct FrameSwarmTests {
    @Test(
        "news are read as they were written",
        arguments: [.has([]), .has([0]), .has([0, 1, 2, 7, 9, 10]), .fetches([5]), .lost([3, 4])] as [FrameNews])
    func lines(news: FrameNews) { #expect(FrameNews(line: news.line) == news) }

    @Test(
        "what makes no sense is no news",
        arguments: ["", "has", "has x", "has 3-1", "has -1", "has 0-99999999999", "gone 1", "has 1-2-3", "has 1 2"])
    func noNews(line: String) { #expect(FrameNews(line: line) == nil) }

    /// Hosts that hear everything at once.
    private struct Fleet {
        var swarms: [FrameSwarm]
        var fetched: [Int: Int] = [:]
        let ids: [String]

        init(_ count: Int, frames: Int) {
            ids = (0..<count).map { "host-\($0)" }
            swarms = ids.map { FrameSwarm(frames: Array(0..<frames), peers: count - 1, id: $0) }
            for host in 0..<count {
                for (peer, other) in others(host).enumerated() { _ = swarms[host].joined(peer, id: ids[other]) }
            }
        }

        func others(_ host: Int) -> [Int] { ids.indices.filter { $0 != host } }

        mutating func tell(_ host: Int, _ news: FrameNews) {
            for other in others(host) { swarms[other].heard(others(other).firstIndex(of: host) ?? 0, news) }
        }

        mutating func fromRegistry(_ host: Int) -> Bool {
            let frames = swarms[host].takeForRegistry()
            tell(host, .fetches(frames))
            for frame in frames {
                fetched[frame, default: 0] += 1
                swarms[host].done(frame)
            }
            tell(host, .has(frames))
            return !frames.isEmpty
        }

        mutating func fromPeers(_ host: Int) {
            for peer in others(host).indices {
                guard let frame = swarms[host].takeForPeer(peer) else { continue }
                swarms[host].done(frame, by: peer)
                tell(host, .has([frame]))
            }
        }
    }

    @Test("hosts that pull at once fetch every frame once, wherever they are fast or slow", arguments: [2, 3, 4, 7])
    func once(hosts: Int) {
        var random = Faults.random("swarm \(hosts)")
        var fleet = Fleet(hosts, frames: 203)
        var rounds = 0
        while fleet.swarms.contains(where: { !$0.isComplete }), rounds < 100_000 {
            rounds += 1
            let host = Int.random(in: 0..<hosts, using: &random)
            // The first host has a registry next door.
            if host == 0 || Bool.random(using: &random) { _ = fleet.fromRegistry(host) } else { fleet.fromPeers(host) }
            if host == 0 { fleet.fromPeers(0) }
        }
        #expect(fleet.swarms.allSatisfy { $0.isComplete })
        #expect(fleet.fetched.count == 203 && fleet.fetched.values.allSatisfy { $0 == 1 })
    }

    @Test("of a disk beyond what is exchanged nothing is said")
    func beyond() {
        #expect(FrameNews.has([1, FrameNews.limit - 1, FrameNews.limit]).line == "has 1,2097151")
        #expect(FrameNews.fetches([FrameNews.limit]).line == "fetches ")
    }

    @Test("a peer's news of what is not wanted changes nothing, and gaps are filled from the middle of the largest")
    func gaps() {
        var swarm = FrameSwarm(frames: Array(0..<300), peers: 1, id: "a")
        _ = swarm.joined(0, id: "b")
        swarm.heard(0, .has([5000, 9999]))
        swarm.heard(0, .has(Array(0..<100) + Array(120..<130)))
        swarm.heard(0, .lost([3]))
        // Rank 0 of two begins at 0, which the peer has.
        let first = swarm.takeForRegistry()
        #expect(first == Array(215..<231))
        // Downwards from where the registry began.
        let given = (0..<3).map { _ in swarm.takeForPeer(0) }
        #expect(given == [129, 128, 127])
        swarm.returned(first)
        let again = swarm.takeForRegistry()
        #expect(again == Array(231..<247))
    }

    @Test("hosts that have heard nothing yet begin at different places")
    func beginnings() {
        var fleet = Fleet(4, frames: 400)
        let firsts = fleet.swarms.indices.map { fleet.swarms[$0].takeForRegistry() }
        #expect(Set(firsts.compactMap(\.first)) == [0, 100, 200, 300])
        #expect(firsts.allSatisfy { $0.count == FrameSwarm.runLimit })
    }

    @Test("what a peer was about to bring comes from the registry when it is gone, or stands still")
    func gone() {
        var swarm = FrameSwarm(frames: Array(0..<8), peers: 2, id: "a")
        _ = swarm.joined(0, id: "b")
        _ = swarm.joined(1, id: "c")
        swarm.heard(0, .has([0, 1, 2, 3]))
        swarm.heard(1, .fetches([4, 5, 6, 7]))
        let before = swarm.takeForRegistry()
        let given = [swarm.takeForPeer(0), swarm.takeForPeer(1)]
        #expect(before.isEmpty && given == [3, nil])
        swarm.leave(0, "gone")
        swarm.giveBack(3)
        let after = [swarm.takeForRegistry(), swarm.takeForRegistry()]
        #expect(after == [[0, 1], []])
        // The other one claims frames and brings none.
        var now = ContinuousClock.now
        swarm.tick(now, underWay: 1)
        now += .seconds(30)
        swarm.tick(now, underWay: 1)
        #expect(swarm.isHelping)
        let helped = swarm.takeForRegistry()
        #expect(helped == [2, 3])
        for frame in 0..<8 { swarm.done(frame) }
        let late = swarm.done(3, by: 0)
        #expect(swarm.isComplete && !late && swarm.fromPeers == 0)
    }

    @Test("peers that are as fast as the registry are waited for")
    func fast() {
        var swarm = FrameSwarm(frames: Array(0..<400), peers: 1, id: "a")
        _ = swarm.joined(0, id: "b")
        swarm.heard(0, .has(Array(80..<400)))
        var now = ContinuousClock.now
        swarm.tick(now, underWay: 1)
        while case let run = swarm.takeForRegistry(), !run.isEmpty {
            for frame in run { swarm.done(frame) }
            for _ in 0..<20 { if let frame = swarm.takeForPeer(0) { swarm.done(frame, by: 0) } }
            now += .milliseconds(500)
            swarm.tick(now, underWay: 1)
        }
        for second in 0..<6 {
            for _ in 0..<36 { if let frame = swarm.takeForPeer(0) { swarm.done(frame, by: 0) } }
            now += .seconds(1)
            swarm.tick(now, underWay: 0)
            #expect(!swarm.isHelping, "second \(second)")
            let run = swarm.takeForRegistry()
            #expect(run.isEmpty)
        }
    }

    @Test("a peer that fails twice in a row is left alone until it joins again, and ourselves are none")
    func failures() {
        var swarm = FrameSwarm(frames: [1, 5, 6], peers: 2, id: "a")
        let isOther = swarm.joined(1, id: "a")
        #expect(!isOther && !swarm.isAlive(1))
        #expect(!swarm.isAssembled)
        _ = swarm.joined(0, id: "b")
        #expect(!swarm.isAssembled)
        swarm.heard(0, .has([1, 5, 6, 400]))
        #expect(swarm.isAssembled)
        let first = swarm.takeForPeer(0) ?? -1
        let isLeft = swarm.failed(0, first, "slow")
        #expect(!isLeft && swarm.isAlive(0))
        let second = swarm.takeForPeer(0) ?? -1
        let isLeftNow = swarm.failed(0, second, "slow")
        let third = swarm.takeForPeer(0)
        #expect(second != first && isLeftNow && third == nil)
        // Frames that do not lie together are not fetched together.
        let runs = [swarm.takeForRegistry(), swarm.takeForRegistry()]
        #expect(runs == [[1], [5, 6]])
    }

    @Test("a peer that was away, or slow at times, is asked again; one that lied is not")
    func again() {
        var swarm = FrameSwarm(frames: Array(0..<9), peers: 2, id: "a")
        for peer in 0...1 {
            _ = swarm.joined(peer, id: "b\(peer)")
            swarm.heard(peer, .has(Array(0..<9)))
        }
        // Seldom is not in a row.
        for _ in 0..<3 {
            let isLeft = swarm.failed(0, swarm.takeForPeer(0) ?? -1, "slow")
            #expect(!isLeft)
            swarm.done(swarm.takeForPeer(0) ?? -1, by: 0)
        }
        swarm.leave(0, "it has ended")
        let none = swarm.takeForPeer(0)
        _ = swarm.joined(0, id: "b0")
        swarm.heard(0, .has(Array(0..<9)))
        let some = swarm.takeForPeer(0)
        #expect(none == nil && some != nil && !swarm.isBanned(0))
        swarm.ban(1, "it lies")
        let isBack = swarm.joined(1, id: "b1")
        let lie = swarm.takeForPeer(1)
        #expect(!isBack && swarm.isBanned(1) && !swarm.isAlive(1) && lie == nil)
    }
}
