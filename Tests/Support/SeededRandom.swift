import Foundation

/// A generator whose run can be repeated (SplitMix64).
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// How long fault tests run, and from which seed.
public enum Faults {
    /// `VZCRI_FAULT_ROUNDS`, 5 by default.
    public static var rounds: Int { ProcessInfo.processInfo.environment["VZCRI_FAULT_ROUNDS"].flatMap(Int.init) ?? 5 }

    /// A generator from `VZCRI_FAULT_SEED` or chance; the seed is printed.
    public static func random(_ test: String) -> SeededRandom {
        let seed =
            ProcessInfo.processInfo.environment["VZCRI_FAULT_SEED"].flatMap(UInt64.init) ?? .random(in: 0...UInt64.max)
        print("\(test): VZCRI_FAULT_SEED=\(seed)")
        return SeededRandom(seed: seed)
    }
}
