import VZEngine

/// What machines get when neither their pod nor their image says otherwise: `vm:` of the configuration.
public struct MachineDefaults: Sendable, Hashable {
    /// A screen, in pixels.
    public struct Display: Sendable, Hashable {
        public var width: Int
        public var height: Int
        public var pixelsPerInch: Int

        /// `1920x1080` or `1920x1080@80`; nil for anything else.
        public init?(_ text: String) {
            let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let sides = parts[0].split(separator: "x", omittingEmptySubsequences: false).map { Self.number($0) }
            let density = parts.count == 2 ? Self.number(parts[1]) : Self.standardDensity
            guard sides.count == 2, let width = sides[0], let height = sides[1], let density,
                (64...16384).contains(width), (64...16384).contains(height), (20...1000).contains(density)
            else { return nil }
            (self.width, self.height, pixelsPerInch) = (width, height, density)
        }

        private static let standardDensity = 80

        private static func number(_ text: some StringProtocol) -> Int? {
            text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
        }
    }

    public var cpus: Int?
    public var memoryBytes: Int64?
    /// The most that one machine may have; nil is what the host has.
    public var maxCPUs: Int?
    public var maxMemoryBytes: Int64?
    /// What the guest's disk grows to; smaller ones only.
    public var diskBytes: Int64?
    public var display: Display?
    /// Linux guests may run machines of their own.
    public var nestedVirtualization = false
    /// Appended to the command line of kernels that are started directly.
    public var bootArguments = ""
    /// Seconds that a failed machine is kept; 0 is none.
    public var holdOnFailure = 0

    public init() {}
}

/// Amounts as Kubernetes writes them.
public enum ByteCount {
    private static let units: [(suffix: String, bytes: Double)] = [
        ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50),
        ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15),
    ]

    /// `64Gi`, `1.5G`, `1048576`; rounded up to whole bytes. nil for what is no positive amount.
    public static func parse(_ text: String) -> Int64? {
        let unit = units.first { text.hasSuffix($0.suffix) }
        let digits = text.dropLast(unit?.suffix.count ?? 0)
        guard let first = digits.utf8.first, (48...57).contains(first),
            digits.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") })
        else { return nil }
        if unit == nil { return Int64(digits).flatMap { $0 > 0 ? $0 : nil } }
        guard let number = Double(digits), let unit else { return nil }
        let bytes = (number * unit.bytes).rounded(.up)
        return bytes > 0 && bytes < 0x1p62 ? Int64(bytes) : nil
    }
}
