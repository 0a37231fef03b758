import FoundationEssentials

extension Timestamps {
    /// `2026-11-21T04:51:07Z`, of nanoseconds since 1970.
    static func text(_ nanoseconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(nanoseconds / 1_000_000_000)).ISO8601Format()
    }
}
