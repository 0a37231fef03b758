#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What every measurement needs.
public enum Measuring {
    /// The value in the middle; of an even number of values, what lies between the two.
    /// - Parameter values: at least one.
    public static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let half = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
    }

    /// With three places.
    public static func text(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    /// Ends the program with one line that says why.
    public static func fail(_ program: String, _ text: String) -> Never {
        _ = "\(program): \(text)\n".withCString { write(2, $0, strlen($0)) }
        exit(1)
    }
}

/// Why something could not be measured.
public struct BenchError: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}
