/// A version of the Engine API: `1.41`.
struct APIVersion: Comparable, CustomStringConvertible, Sendable {
    let major: Int
    let minor: Int

    /// The newest this client was written for (Docker 27).
    static let newest = APIVersion(major: 1, minor: 47)
    /// The oldest it works with (Docker 19.03).
    static let oldest = APIVersion(major: 1, minor: 40)

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]), major >= 0, minor >= 0 else {
            return nil
        }
        self.init(major: major, minor: minor)
    }

    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
    var description: String { "\(major).\(minor)" }

    /// The version to speak with an engine: the newest both know; nil when it is too old for this client.
    /// - Parameter lowest: the oldest that the engine still speaks.
    static func agreed(offered: String, lowest: String?) -> APIVersion? {
        guard let offered = APIVersion(offered), offered >= oldest else { return nil }
        // An engine that has dropped our newest is asked for the oldest it has: the calls used here have not changed.
        return max(lowest.flatMap { APIVersion($0) } ?? oldest, min(offered, newest))
    }
}
