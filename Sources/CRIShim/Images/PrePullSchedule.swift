/// When which image is brought beforehand: one after the other, again after a failure, and now and then to see whether its
/// name means another one. No I/O.
struct PrePullSchedule: Sendable {
    struct Entry: Sendable, Hashable {
        enum State: Sendable, Hashable {
            /// Not tried yet, or cut off by the end of the window.
            case waiting
            case pulling
            case here(id: String)
            case failed(String)
        }

        var image: String
        var state = State.waiting
        /// In a row.
        var failures = 0
        var due: ContinuousClock.Instant
    }

    /// So often it is asked whether an image is still the one of its name.
    static let interval = Duration.seconds(3600)
    static let firstWait = Duration.seconds(10)
    static let longestWait = Duration.seconds(1800)

    private(set) var entries: [Entry]

    init(_ images: [String], now: ContinuousClock.Instant) {
        entries = images.map { Entry(image: $0, due: now) }
    }

    /// The next to be pulled, in the order of the list; else when there will be one.
    func next(now: ContinuousClock.Instant) -> (image: String?, at: ContinuousClock.Instant) {
        if let entry = entries.first(where: { $0.due <= now }) { return (entry.image, now) }
        return (nil, entries.map(\.due).min() ?? now + Self.interval)
    }

    mutating func began(_ image: String) { change(image) { $0.state = .pulling } }

    mutating func succeeded(_ image: String, id: String, now: ContinuousClock.Instant) {
        change(image) {
            $0.state = .here(id: id)
            $0.failures = 0
            $0.due = now + Self.interval
        }
    }

    mutating func failed(_ image: String, _ why: String, now: ContinuousClock.Instant) {
        change(image) {
            $0.state = .failed(why)
            $0.due = now + min(Self.longestWait, Self.firstWait * (1 << min($0.failures, 10)))
            $0.failures += 1
        }
    }

    /// The window closed while it was pulled: it goes on with the next.
    mutating func cut(_ image: String) { change(image) { $0.state = .waiting } }

    private mutating func change(_ image: String, _ body: (inout Entry) -> Void) {
        for place in entries.indices where entries[place].image == image { body(&entries[place]) }
    }
}
