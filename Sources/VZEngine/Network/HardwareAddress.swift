/// The address of a network card, as its six bytes: texts of the same address differ in case, in separators, and, on macOS,
/// in leading zeros.
public struct HardwareAddress: Sendable, Hashable, CustomStringConvertible {
    /// The lower 48 bits.
    private let value: UInt64

    /// - Returns: nil for anything but six bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        value = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// - Parameter text: six numbers of one or two hexadecimal digits, with colons or dashes between them.
    /// - Returns: nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
        let bytes = parts.compactMap { part in
            (1...2).contains(part.utf8.count) && part.allSatisfy(\.isHexDigit) ? UInt8(part, radix: 16) : nil
        }
        guard parts.count == 6, bytes.count == 6 else { return nil }
        self.init(bytes: bytes)
    }

    public var bytes: [UInt8] { (0..<6).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    /// Two digits for each byte, lower case, with colons.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    /// Given by whoever runs the network, and not by a card's maker.
    public var isLocallyAdministered: Bool { value >> 40 & 2 != 0 }
    /// Stands for several cards.
    public var isGroup: Bool { value >> 40 & 1 != 0 }
}
