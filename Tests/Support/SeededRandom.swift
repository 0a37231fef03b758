import Foundation

/// A generator whose run can be repeated (SplitMix64).
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed &>> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed &>> 31)
    }

    /// Bytes that nothing compresses.
    ///
    /// Eight at a time: tests fill whole disks with them, without an optimizer, and whoever keeps one of the few threads of
    /// the cooperative pool for seconds has every other test miss its deadlines.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        let words = (count + 7) / 8
        return [UInt8](unsafeUninitializedCapacity: words * 8) { buffer, filled in
            filled = count
            guard let start = buffer.baseAddress else { return }
            start.withMemoryRebound(to: UInt64.self, capacity: words) { word in
                var place = 0
                while place < words {
                    word[place] = next()
                    place &+= 1
                }
            }
        }
    }
}

extension [UInt8] {
    /// A pattern again and again.
    public init(repeating pattern: [UInt8], size: Int) {
        self = pattern
        reserveCapacity(size)
        while count < size { append(contentsOf: self[..<Swift.min(count, size - count)]) }
        removeLast(count - size)
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
