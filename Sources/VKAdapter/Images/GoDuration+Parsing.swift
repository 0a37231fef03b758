extension GoDuration {
    private static let units: [(name: String, milliseconds: Double)] = [
        ("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
    ]

    /// A duration as Go reads it: `1m30s`, `500ms`, `1.5h`.
    /// - Returns: `nil` when it is none.
    static func parse(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var rest = text[...]
        var milliseconds = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0 == "." || $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(number.count)
            guard let amount = Double(number), let unit = units.first(where: { rest.hasPrefix($0.name) }) else {
                return nil
            }
            rest = rest.dropFirst(unit.name.count)
            milliseconds += amount * unit.milliseconds
        }
        guard milliseconds < 1e15 else { return nil }
        return .milliseconds(Int64(milliseconds))
    }
}
