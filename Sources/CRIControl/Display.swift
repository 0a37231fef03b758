/// How numbers and ids are shown to people.
public enum Display {
    /// The first 13 characters, as `crictl` shows ids; a digest loses its `sha256:`.
    public static func shortID(_ id: String) -> String {
        String(withoutAlgorithm(id).prefix(13))
    }

    static func withoutAlgorithm(_ id: String) -> Substring {
        id.hasPrefix("sha256:") ? id.dropFirst("sha256:".count) : id[...]
    }

    /// The largest whole unit of the time from `then` to `now`, both nanoseconds since 1970: `45s`, `3m`, `7h`, `12d`.
    /// `-` when the time is unknown (0), `0s` when clocks disagree.
    public static func age(of then: Int64, now: Int64) -> String {
        guard then > 0 else { return "-" }
        let seconds = max(0, (now - then) / 1_000_000_000)
        return switch seconds {
        case ..<120: "\(seconds)s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86400)d"
        }
    }

    /// Decimal units with three digits, as Docker and `crictl` show sizes: `512B`, `1.24MB`, `56.1MB`.
    public static func size(_ bytes: UInt64) -> String {
        guard bytes >= 1000 else { return "\(bytes)B" }
        var unit: UInt64 = 1000
        var names = ["kB", "MB", "GB", "TB", "PB", "EB"][...]
        while bytes / unit >= 1000, names.count > 1 {
            unit *= 1000
            names.removeFirst()
        }
        let whole = bytes / unit
        let hundredths = bytes % unit / (unit / 100)
        let name = names.first ?? ""
        return switch whole {
        case 100...: "\(whole)\(name)"
        case 10...: "\(whole).\(hundredths / 10)\(name)"
        default: "\(whole).\(hundredths < 10 ? "0" : "")\(hundredths)\(name)"
        }
    }

    /// `CONTAINER_RUNNING` → `Running`, `SANDBOX_NOTREADY` → `NotReady`.
    static func state(_ name: String, prefix: String) -> String {
        let word = name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : name[...]
        if word == "NOTREADY" { return "NotReady" }
        return word.prefix(1).uppercased() + word.dropFirst().lowercased()
    }
}
