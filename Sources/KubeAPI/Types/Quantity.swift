/// An amount with a unit, as `500m`, `1Gi`, `1e3` (Kubernetes `resource.Quantity`). Keeps the text it was written as.
public struct Quantity: KubeValue, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The text as written.
    public let text: String
    /// Thousandths, rounded up as Kubernetes does and saturated at the range of `Int64`.
    public let milliValue: Int64
    /// Whole units, rounded up and saturated.
    public let value: Int64

    /// - Returns: `nil` when the text is no quantity.
    public init?(_ text: String) {
        guard let nano = Self.nano(text) else { return nil }
        self.text = text
        milliValue = Self.roundedUp(nano, by: 1_000_000)
        value = Self.roundedUp(nano, by: 1_000_000_000)
    }

    /// For literals in code: an unreadable one is zero.
    public init(stringLiteral: String) {
        self = Quantity(stringLiteral) ?? Quantity(value: 0)
    }

    /// A number of whole units.
    public init(value: Int64) {
        text = String(value)
        self.value = value
        milliValue = value.multipliedReportingOverflow(by: 1000).overflow ? (value < 0 ? .min : .max) : value * 1000
    }

    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        let text: String
        switch value.kind {
        case .string(let written): text = written
        case .int(let number): text = String(number)
        case .double(let number): text = "\(number)"
        default: throw path.mismatch(value, expected: "a quantity such as 500m or 1Gi")
        }
        guard let quantity = Quantity(text) else {
            throw path.issue(value, "\"\(text)\" is no quantity: write a number with a unit, as 500m or 1Gi")
        }
        self = quantity
    }

    public func encoded() -> Value? { Value(.string(text)) }
    public var description: String { text }
    public static func == (left: Self, right: Self) -> Bool {
        left.milliValue == right.milliValue && left.value == right.value
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(milliValue) }

    private static let binary: [String: Int] = ["Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60]
    private static let decimal: [String: Int] = [
        "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
    ]

    /// Billionths, saturated well above the range of `Int64` units.
    private static func nano(_ text: String) -> Int128? {
        var rest = text[...]
        let negative = rest.hasPrefix("-")
        if negative || rest.hasPrefix("+") { rest = rest.dropFirst() }
        let isDigit: (Character) -> Bool = { ("0"..."9").contains($0) }
        let whole = rest.prefix(while: isDigit)
        rest = rest.dropFirst(whole.count)
        var fraction: Substring = ""
        if rest.hasPrefix(".") {
            fraction = rest.dropFirst().prefix(while: isDigit)
            rest = rest.dropFirst(1 + fraction.count)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { return nil }
        var power = 0
        var shift = 0
        if let bits = binary[String(rest)] {
            shift = bits
        } else if let ten = decimal[String(rest)] {
            power = ten
        } else if rest.hasPrefix("e") || rest.hasPrefix("E"), let exponent = Int(rest.dropFirst()),
            abs(exponent) < 1000
        {
            power = exponent
        } else {
            return nil
        }
        var nano: Int128 = 0
        // Digits that cannot change the rounded-up result any more only need to be seen as "not zero".
        var scale = 9 + power
        for digit in whole {
            nano = saturated(nano, times: 10) + Int128(digit.wholeNumberValue ?? 0)
        }
        var lost = false
        for digit in fraction {
            guard scale > -30, nano < limit else {
                lost = lost || digit != "0"
                continue
            }
            nano = nano * 10 + Int128(digit.wholeNumberValue ?? 0)
            scale -= 1
        }
        while scale > 0 {
            nano = saturated(nano, times: 10)
            scale -= 1
        }
        if shift > 0 { nano = saturated(nano, times: Int128(1) << Int128(shift)) }
        while scale < 0, nano != 0 {
            lost = lost || nano % 10 != 0
            nano /= 10
            scale += 1
        }
        if lost { nano += 1 }
        return negative ? -nano : nano
    }

    private static let limit: Int128 = Int128(1) << 96

    private static func saturated(_ value: Int128, times factor: Int128) -> Int128 {
        let (product, overflow) = value.multipliedReportingOverflow(by: factor)
        return overflow || product > limit ? limit : product
    }

    private static func roundedUp(_ nano: Int128, by unit: Int128) -> Int64 {
        let (quotient, remainder) = nano.quotientAndRemainder(dividingBy: unit)
        let rounded = remainder == 0 ? quotient : (nano > 0 ? quotient + 1 : quotient - 1)
        return Int64(clamping: rounded)
    }
}

/// A port given by number or by name.
public enum IntOrString: KubeValue, CustomStringConvertible {
    case int(Int32)
    case string(String)

    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        switch value.kind {
        case .string(let text): self = .string(text)
        case .int: self = .int(try Int32(value, at: path))
        default: throw path.mismatch(value, expected: "a number or a name")
        }
    }

    public func encoded() -> Value? {
        switch self {
        case .int(let number): Value(.int(Int64(number)))
        case .string(let text): Value(.string(text))
        }
    }

    public var description: String {
        switch self {
        case .int(let number): String(number)
        case .string(let text): text
        }
    }
}
