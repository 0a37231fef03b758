/// How fast bytes may come: what was taken too early is waited for before more is.
struct TokenBucket: Sendable {
    /// Bytes for each second.
    let rate: Double
    /// What may come at once after a pause.
    let burst: Double
    private var level: Double
    private var last: ContinuousClock.Instant

    init(rate: Int64, burst: Int64? = nil, now: ContinuousClock.Instant) {
        self.rate = max(1, Double(rate))
        self.burst = Double(burst ?? rate / 4)
        level = self.burst
        last = now
    }

    /// Counts bytes that have come.
    /// - Returns: how long nothing more may come.
    mutating func take(_ bytes: Int, now: ContinuousClock.Instant) -> Duration {
        level = min(burst, level + max(0, (now - last) / .seconds(1)) * rate) - Double(bytes)
        last = max(last, now)
        return level >= 0 ? .zero : .seconds(-level / rate)
    }
}
