/// In which order the frames of an image are fetched: what guests wait for before everything else, then what a guest is
/// known to read first, then the rest in the order of the disks. Does nothing itself.
struct FetchQueue: Sendable {
    struct Item: Sendable, Hashable {
        var disk: Int
        var frame: PackIndex.Frame
    }

    /// Frames of one pack that are fetched together.
    struct Job: Sendable, Hashable {
        var numbers: [Int]
        /// Whether a guest waits for it.
        var isWanted: Bool
    }

    private enum Stage {
        case missing, underWay, here
        /// It did not come, and nobody tries just now.
        case aside
    }

    /// How much is under way at once: for guests that wait,
    static let wantedLimit = 8
    /// and ahead of them.
    static let aheadLimit = 4
    /// What is fetched ahead by one request: no more, so that a guest that comes to want the last of it waits shortly.
    private static let aheadBytes: Int64 = 8 << 20

    let items: [Item]
    private var stages: [Stage]
    private var wanted: [Int] = []
    private var ahead: ArraySlice<Int>
    private var rest = 0
    private var running = (wanted: 0, ahead: 0)
    private(set) var missing: Int
    /// What was set aside and has not come since.
    private var lost: Set<Int> = []
    /// Whether what nobody is known to need is fetched too. As long as a guest starts, it would be in the way.
    var takesRest = false

    /// - Parameters:
    ///   - here: numbers of the items that need not be fetched.
    ///   - order: numbers of those that are read first.
    init(_ items: [Item], here: Set<Int> = [], order: [Int] = []) {
        self.items = items
        stages = items.indices.map { here.contains($0) ? .here : .missing }
        missing = items.count - here.count
        ahead = order[...]
    }

    func isHere(_ number: Int) -> Bool { stages[number] == .here }
    var isWhole: Bool { missing == 0 }

    /// Guests wait for these. What was set aside is tried anew for whoever asks.
    mutating func want(_ numbers: [Int]) {
        for number in numbers {
            if stages[number] == .aside { stages[number] = .missing }
            if stages[number] == .missing { wanted.append(number) }
        }
    }

    /// What to fetch next; nil as long as enough is under way.
    mutating func next() -> Job? {
        while running.wanted < Self.wantedLimit, !wanted.isEmpty {
            let number = wanted.removeFirst()
            guard stages[number] == .missing else { continue }
            stages[number] = .underWay
            running.wanted += 1
            return Job(numbers: [number], isWanted: true)
        }
        guard wanted.isEmpty, running.ahead < Self.aheadLimit, let job = nextAhead() else { return nil }
        running.ahead += 1
        return job
    }

    private mutating func nextAhead() -> Job? {
        var numbers: [Int] = []
        while let number = ahead.first {
            guard stages[number] != .missing || fits(number, numbers) else { break }
            ahead.removeFirst()
            if stages[number] == .missing { take(number, &numbers) }
        }
        if !numbers.isEmpty { return Job(numbers: numbers, isWanted: false) }
        // A guest that waits has the network for itself.
        guard takesRest, running.wanted == 0 else { return nil }
        while rest < items.count {
            guard stages[rest] != .missing || fits(rest, numbers) else { break }
            if stages[rest] == .missing { take(rest, &numbers) }
            rest += 1
        }
        return numbers.isEmpty ? nil : Job(numbers: numbers, isWanted: false)
    }

    private mutating func take(_ number: Int, _ numbers: inout [Int]) {
        stages[number] = .underWay
        numbers.append(number)
    }

    /// Whether a frame lies right after others in their pack, and they are not too much together.
    private func fits(_ number: Int, _ numbers: [Int]) -> Bool {
        guard let first = numbers.first, let last = numbers.last else { return true }
        let (frame, before) = (items[number].frame, items[last].frame)
        return items[number].disk == items[last].disk && frame.pack == before.pack && frame.start == before.end
            && frame.end - items[first].frame.start <= Self.aheadBytes && frame.base == nil && before.base == nil
    }

    /// One is there.
    mutating func done(_ number: Int) {
        guard stages[number] != .here else { return }
        stages[number] = .here
        missing -= 1
        lost.remove(number)
    }

    // MARK: What does not come

    /// Whether something was set aside that has not come since.
    var hasLost: Bool { !lost.isEmpty }

    /// Trying on is no use for these: they are in nobody's way any more. Their job is still under way until it ends.
    mutating func setAside(_ numbers: [Int]) {
        for number in numbers where stages[number] == .underWay {
            stages[number] = .aside
            lost.insert(number)
        }
    }

    /// Has what was set aside fetched again, if nothing else is left to fetch.
    mutating func retryLost() {
        guard takesRest, rest == items.count, running.ahead == 0 else { return }
        for number in lost where stages[number] == .aside {
            stages[number] = .missing
            rest = min(rest, number)
        }
    }

    // MARK: Ends

    /// Nobody is at it any more; what has not come is missing again.
    mutating func ended(_ job: Job) {
        if job.isWanted { running.wanted -= 1 } else { running.ahead -= 1 }
        for number in job.numbers where stages[number] == .underWay {
            stages[number] = .missing
            rest = min(rest, number)
        }
    }
}
