import Support

/// How much of everything: few and short by default, all of it from `VZCRI_FAULT_ROUNDS=200` on (`make soak`).
struct SoakNumbers: Sendable {
    let rounds: Int

    init(rounds: Int = Faults.rounds) { self.rounds = max(1, rounds) }

    var pods: Int { min(500, rounds * 5) }
    var podsPerSecond: Int { 20 }
    var edits: Int { rounds >= 200 ? 1000 : rounds * 8 }
    /// Between edits.
    var pause: Duration { .milliseconds(isLong ? 50 : 10) }
    /// The API server restarts after so many edits.
    var restartEvery: Int { max(20, edits / 10) }
    /// How long nothing gets through.
    var silence: Duration { .seconds(min(120, Double(rounds) * 0.6)) }
    /// Long enough that what it measures means something: nothing else runs beside it then.
    var isLong: Bool { rounds >= 100 }
    var leaseInterval: Duration { isLong ? .seconds(10) : .seconds(1) }
    /// For everything to be right again.
    var patience: Duration { .seconds(isLong ? 180 : 90) }
}
