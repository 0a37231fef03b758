/// The value of `grpc-timeout` (gRPC over HTTP/2, "Timeout"): at most eight digits and a unit.
enum GRPCTimeout {
    static func parse(_ text: some StringProtocol) -> Duration? {
        guard let unit = text.last, (2...9).contains(text.utf8.count), let value = Int64(text.dropLast()), value >= 0,
            text.first?.isNumber == true
        else { return nil }
        switch unit {
        case "H": return .seconds(value * 3600)
        case "M": return .seconds(value * 60)
        case "S": return .seconds(value)
        case "m": return .milliseconds(value)
        case "u": return .microseconds(value)
        case "n": return .nanoseconds(value)
        default: return nil
        }
    }

    /// The finest unit that holds the duration in eight digits, rounded up: a deadline must not move closer.
    static func format(_ duration: Duration) -> String {
        let nanoseconds = max(0, duration.wholeNanoseconds)
        for (unit, size) in [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)]
            as [(String, Int64)]
        {
            let value = nanoseconds / size + (nanoseconds % size == 0 ? 0 : 1)
            if value < 100_000_000 { return "\(value)\(unit)" }
        }
        return "\(min(99_999_999, nanoseconds / 3_600_000_000_000 + 1))H"
    }
}

extension Duration {
    /// Saturates at the ends of `Int64`.
    var wholeNanoseconds: Int64 {
        let (product, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return components.seconds > 0 ? .max : .min }
        return product.addingReportingOverflow(components.attoseconds / 1_000_000_000).partialValue
    }
}
