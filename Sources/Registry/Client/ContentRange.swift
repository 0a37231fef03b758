/// What a part of a blob says about itself (RFC 9110, 14.4): `bytes 0-499/1234`.
struct ContentRange: Sendable, Hashable {
    var range: Range<Int64>
    /// Of the whole; nil when it is not said.
    var total: Int64?

    init?(_ text: String) {
        let words = text.trimmed.split(separator: " ", maxSplits: 1)
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let range = Self.range(parts[0]) else { return nil }
        self.range = range
        if parts[1] != "*" {
            guard let total = Int64(parts[1]), total >= range.upperBound else { return nil }
            self.total = total
        }
    }

    /// `0-499`, the last byte included.
    static func range(_ text: some StringProtocol) -> Range<Int64>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1]), first >= 0, last >= first,
            last < .max
        else { return nil }
        return first..<(last + 1)
    }
}
