/// Longer and longer waits, none like another client's.
public struct JitteredBackOff: Sendable {
    public var initial: Duration
    public var maximum: Duration
    private var next: Duration

    public init(initial: Duration = .milliseconds(800), maximum: Duration = .seconds(30)) {
        self.initial = initial
        self.maximum = maximum
        next = initial
    }

    /// The next wait is the first again.
    public mutating func reset() { next = initial }

    /// How long to wait now: between half of it and all of it.
    public mutating func step() -> Duration {
        let delay = next * Double.random(in: 0.5...1)
        next = min(next * 2, maximum)
        return delay
    }
}
