/// An IPv4 address; text in records.
struct IPv4Address: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    var value: UInt32

    init(_ value: UInt32) { self.value = value }

    /// nil for anything but four decimal numbers.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        value = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                let number = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(number)
        }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let parsed = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is no IPv4 address")
        }
        self = parsed
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    var description: String { "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)" }

    static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

/// Addresses with a common beginning: `10.1.2.0/24`.
struct IPv4Range: Sendable, Hashable, CustomStringConvertible {
    let first: IPv4Address
    let prefix: Int

    init(_ address: IPv4Address, prefix: Int) {
        self.prefix = prefix
        first = IPv4Address(address.value & Self.mask(prefix))
    }

    /// An address without a length is a range of one.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPv4Address(parts[0]) else { return nil }
        guard parts.count == 2 else {
            self.init(address, prefix: 32)
            return
        }
        guard let prefix = Int(parts[1]), (0...32).contains(prefix), parts[1].allSatisfy(\.isNumber) else { return nil }
        self.init(address, prefix: prefix)
    }

    private static func mask(_ prefix: Int) -> UInt32 { prefix == 0 ? 0 : ~0 << UInt32(32 - prefix) }

    var last: IPv4Address { IPv4Address(first.value | ~Self.mask(prefix)) }
    /// The bridge's own: the first that may be used.
    var gateway: IPv4Address { IPv4Address(first.value + 1) }
    /// What pods may have: neither network, gateway nor broadcast. Empty in a range too small for pods.
    var podAddresses: Range<UInt32> {
        prefix <= 29 ? first.value + 2..<last.value : 0..<0
    }

    func contains(_ address: IPv4Address) -> Bool { first <= address && address <= last }
    func overlaps(_ other: IPv4Range) -> Bool { first <= other.last && other.first <= last }

    var description: String { "\(first)/\(prefix)" }
}

extension IPv4Range {
    /// A private /24 by chance that none of `taken` touches; nil when none was found.
    static func free(avoiding taken: [IPv4Range], using random: inout some RandomNumberGenerator) -> IPv4Range? {
        for _ in 0..<2000 {
            let third = UInt32.random(in: 0...255, using: &random)
            let address: UInt32 =
                switch Int.random(in: 0..<3, using: &random) {
                case 0: 10 << 24 | .random(in: 200...255, using: &random) << 16 | third << 8
                case 1: 172 << 24 | .random(in: 24...31, using: &random) << 16 | third << 8
                default: 192 << 24 | 168 << 16 | .random(in: 50...249, using: &random) << 8
                }
            let range = IPv4Range(IPv4Address(address), prefix: 24)
            if !taken.contains(where: range.overlaps) { return range }
        }
        return nil
    }
}
