/// How much of the file system that holds machines' disks is kept free: their disks grow, and what runs must be able to
/// write.
public enum DiskReserve: Sendable, Hashable {
    /// The smaller of 10 GiB and 5 % of the file system.
    case standard
    case bytes(UInt64)
    /// Of the file system, 0 to 99.
    case percent(Int)

    /// Reads `10Gi`, `500M`, `1073741824`, `5%`, `0`.
    /// - Returns: nil for what is none of these.
    public init?(_ text: String) {
        if text.hasSuffix("%") {
            guard let number = Int(text.dropLast()), (0...99).contains(number) else { return nil }
            self = .percent(number)
            return
        }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits), let unit = Self.units[String(text.dropFirst(digits.count))] else {
            return nil
        }
        let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: unit)
        guard !isTooMuch else { return nil }
        self = .bytes(bytes)
    }

    private static let units: [String: UInt64] = [
        "": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000, "Ki": 1 << 10, "Mi": 1 << 20,
        "Gi": 1 << 30, "Ti": 1 << 40,
    ]

    /// - Parameter total: the size of the file system.
    func bytes(of total: UInt64) -> UInt64 {
        switch self {
        case .standard: min(10 << 30, total / 20)
        case .bytes(let bytes): bytes
        case .percent(let percent): total / 100 * UInt64(percent)
        }
    }
}
