import BitCollections

/// Who fetches which frame from where, when several hosts pull a disk at once: each begins elsewhere, takes from the registry
/// what nobody else has or fetches, and everything else from the others. Peers that bring less than the registry would are
/// helped by it. No I/O.
struct FrameSwarm: Sendable {
    private enum State: Hashable {
        case missing
        case registry
        case peer
        case done
    }

    private struct Peer {
        var id: String?
        var hasSpoken = false
        /// Of what we want, by place.
        var has: BitSet = []
        var fetches: BitSet = []
        /// Why it is not asked now; nil while it is.
        var ended: String?
        /// It is never asked again.
        var isBanned = false
        /// One after the other.
        var failures = 0
    }

    /// What the registry is asked for at once.
    static let runLimit = 16
    /// Failures in a row after which a peer is left alone for a while.
    static let failureLimit = 2
    /// Frames a second that peers have to bring where nobody knows yet what the registry does.
    private static let leastRate = 16.0
    /// So many frames at the registry's pace are time enough to see how fast peers are.
    private static let sample = 32.0
    /// See ``PeerExchange/patience``.
    private let patience: Duration

    /// In the order of the disk.
    private let frames: [Int]
    private let places: [Int: Int]
    private var states: [State]
    /// The places of those that are missing: they are looked for at every frame that comes.
    private var missing: BitSet
    /// How many are taken for the registry.
    private var claimed = 0
    private var peers: [Peer]
    private let id: String
    /// The place where the registry is asked next.
    private var cursor: Int?
    private(set) var left: Int
    private(set) var fromPeers = 0
    private var fromRegistry = 0

    // How fast both are.
    private var registryBusy = Duration.zero
    private var looked: ContinuousClock.Instant?
    private var last: (at: ContinuousClock.Instant, progress: Int)?
    /// What peers have brought, and what they say that they have fetched: of both comes what is missing here.
    private var progress = 0
    private var begun: ContinuousClock.Instant?
    private var isSettled = false
    private static let settling = Duration.seconds(2)
    /// Whether the registry brings what peers should.
    private(set) var isHelping = false

    init(frames: [Int], peers: Int, id: String, patience: Duration = .seconds(3)) {
        self.patience = patience
        self.frames = frames.sorted()
        self.id = id
        states = .init(repeating: .missing, count: frames.count)
        missing = BitSet(0..<frames.count)
        left = frames.count
        self.peers = .init(repeating: Peer(), count: peers)
        places = Dictionary(uniqueKeysWithValues: self.frames.enumerated().map { ($1, $0) })
    }

    var isComplete: Bool { left == 0 }

    private mutating func become(_ state: State, _ place: Int) {
        if states[place] == .registry { claimed -= 1 }
        if state == .registry { claimed += 1 }
        if state == .missing { missing.insert(place) } else { missing.remove(place) }
        states[place] = state
    }

    // MARK: Peers

    /// - Returns: false for one that is banned, and for ourselves: somebody listed us among our peers.
    mutating func joined(_ peer: Int, id: String) -> Bool {
        // It may have been banned while it was being asked.
        guard !peers[peer].isBanned else { return false }
        peers[peer].id = id
        peers[peer].ended = nil
        peers[peer].failures = 0
        if id == self.id { ban(peer, "it is this host") }
        return id != self.id
    }

    mutating func heard(_ peer: Int, _ news: FrameNews) {
        peers[peer].hasSpoken = true
        switch news {
        case .has(let numbers):
            let news = wanted(numbers)
            progress += news.count { states[$0] != .done }
            peers[peer].has.formUnion(news)
            peers[peer].fetches.subtract(news)
        case .fetches(let numbers): peers[peer].fetches.formUnion(wanted(numbers))
        case .lost(let numbers):
            let lost = wanted(numbers)
            peers[peer].has.subtract(lost)
            peers[peer].fetches.subtract(lost)
        }
    }

    private func wanted(_ numbers: [Int]) -> BitSet { BitSet(numbers.lazy.compactMap { places[$0] }) }

    /// It is never asked again.
    mutating func ban(_ peer: Int, _ why: String) {
        leave(peer, why)
        peers[peer].isBanned = true
    }

    func isBanned(_ peer: Int) -> Bool { peers[peer].isBanned }

    /// It is not asked until it joins again.
    mutating func leave(_ peer: Int, _ why: String) {
        if peers[peer].ended == nil { peers[peer].ended = why }
        peers[peer].has = []
        peers[peer].fetches = []
    }

    /// Whether every peer has said what it has, or is not asked: before that nobody knows where to begin.
    var isAssembled: Bool { peers.allSatisfy { $0.hasSpoken || $0.ended != nil } }

    func isAlive(_ peer: Int) -> Bool { peers[peer].ended == nil }

    /// A frame that a peer has and nobody brings yet. Every host asks in an order of its own, so that they have different
    /// ones to give.
    mutating func takeForPeer(_ peer: Int) -> Int? {
        guard peers[peer].ended == nil, !peers[peer].has.isEmpty, left > 0 else { return nil }
        let open = missing.intersection(peers[peer].has)
        // Away from where the registry is asked: those before it are the others'.
        guard let place = open.intersection(0..<start).last ?? open.last else { return nil }
        become(.peer, place)
        return frames[place]
    }

    /// - Returns: whether the peer is left alone from now on, until it joins again.
    mutating func failed(_ peer: Int, _ frame: Int, _ why: String) -> Bool {
        giveBack(frame)
        if let place = places[frame] { peers[peer].has.remove(place) }
        peers[peer].failures += 1
        guard peers[peer].failures >= Self.failureLimit, peers[peer].ended == nil else { return false }
        leave(peer, why)
        return true
    }

    /// The peer could not bring it now.
    mutating func giveBack(_ frame: Int) {
        if let place = places[frame], states[place] == .peer { become(.missing, place) }
    }

    // MARK: The registry

    /// Where among the hosts we are says where we begin.
    private var start: Int {
        let ids = Set(peers.filter { $0.ended == nil }.compactMap(\.id)).union([id]).sorted()
        let rank = ids.firstIndex(of: id) ?? 0
        return frames.isEmpty ? 0 : frames.count * rank / ids.count
    }

    /// Frames that lie together and that nobody else has or fetches; while the registry helps also others.
    mutating func takeForRegistry() -> [Int] {
        guard left > 0 else { return [] }
        let limit = claimLimit
        guard limit > 0 else { return [] }
        let first = cursor ?? start
        var open = missing
        for peer in peers where peer.ended == nil {
            open.subtract(peer.has)
            open.subtract(peer.fetches)
        }
        var run = Array(self.run(from: first, in: open).prefix(limit))
        if run.isEmpty, isHelping { run = self.run(from: start, in: missing) }
        // At last also what a peer is about to bring: whoever is first.
        if run.isEmpty, isHelping {
            run = self.run(from: start, in: BitSet(states.indices.filter { states[$0] == .peer }))
        }
        for place in run { become(.registry, place) }
        if let end = run.last { cursor = (end + 1) % frames.count }
        return run.map { frames[$0] }
    }

    /// Who claims all of a small image at once leaves nothing for the others. Before they have had time to say what they do,
    /// all that may be there count; then those that have or fetch something.
    private var claimLimit: Int {
        let others = peers.count {
            $0.ended == nil && (!isSettled || !$0.has.isEmpty || !$0.fetches.isEmpty)
        }
        guard others > 0, !isHelping else { return Self.runLimit }
        let share = max(1, (isSettled ? left : frames.count) / (2 * (others + 1)))
        return min(Self.runLimit, share - claimed)
    }

    private func run(from first: Int, in open: BitSet) -> [Int] {
        guard !open.contains(first % frames.count) else { return extend(first % frames.count, open) }
        // The middle of the largest gap: as far from the others as can be.
        var best = 0..<0
        var gap = 0..<0
        for place in open {
            gap = gap.upperBound == place ? gap.lowerBound..<place + 1 : place..<place + 1
            if gap.count > best.count { best = gap }
        }
        guard !best.isEmpty else { return [] }
        return extend(best.count > 2 * Self.runLimit ? best.lowerBound + best.count / 2 : best.lowerBound, open)
    }

    private func extend(_ first: Int, _ open: BitSet) -> [Int] {
        var run = [first]
        while run.count < Self.runLimit, let last = run.last, open.contains(last + 1),
            frames[last + 1] == frames[last] + 1
        {
            run.append(last + 1)
        }
        return run
    }

    /// What was taken for the registry does not come from it now.
    mutating func returned(_ numbers: [Int]) {
        for number in numbers {
            if let place = places[number], states[place] == .registry { become(.missing, place) }
        }
    }

    // MARK: Both

    /// - Parameter peer: who brought it; nil is the registry.
    /// - Returns: whether it was news.
    @discardableResult
    mutating func done(_ frame: Int, by peer: Int? = nil) -> Bool {
        if let peer { peers[peer].failures = 0 }
        guard let place = places[frame], states[place] != .done else { return false }
        become(.done, place)
        left -= 1
        if peer != nil {
            fromPeers += 1
            progress += 1
        } else {
            fromRegistry += 1
        }
        return true
    }

    /// Frames a second; nil while too few have come to tell.
    private var registryRate: Double? {
        fromRegistry >= 16 && registryBusy > .zero ? Double(fromRegistry) / (registryBusy / .seconds(1)) : nil
    }

    /// Looks whether peers are worth waiting for.
    /// - Parameter underWay: requests to the registry.
    mutating func tick(_ now: ContinuousClock.Instant, underWay: Int) {
        defer { looked = now }
        begun = begun ?? now
        if let begun, now - begun >= Self.settling { isSettled = true }
        if underWay > 0, let looked { registryBusy += now - looked }
        guard let last else {
            self.last = (now, progress)
            return
        }
        // Half: a little slower is no reason to have an image leave the registry twice.
        let wanted = registryRate.map { $0 / 2 } ?? Self.leastRate
        let time = now - last.at
        guard time >= max(patience, .seconds(min(10, Self.sample / wanted))) else { return }
        isHelping = Double(progress - last.progress) / (time / .seconds(1)) < wanted
        self.last = (now, progress)
    }
}
