import KubeAPI

extension EvictionThreshold {
    /// What a kubelet's flags say together.
    struct Settings: Sendable, Hashable {
        /// `memory.available<100Mi`, `nodefs.available<10%`.
        var hard: [String] = []
        /// The same; each needs a time in `softGrace`.
        var soft: [String] = []
        /// `memory.available=1m30s`.
        var softGrace: [String] = []
        /// `nodefs.available=500Mi`.
        var reclaim: [String] = []
    }

    /// The thresholds the settings give, hard ones first.
    /// - Throws: ``AdapterError`` `invalidArgument` with what is wrong.
    static func parse(_ settings: Settings) throws(AdapterError) -> [EvictionThreshold] {
        var graces: [EvictionSignal: Duration] = [:]
        for text in settings.softGrace {
            let (signal, time) = try pair(text, "=", "evictionSoftGracePeriod", "memory.available=1m30s")
            guard let grace = GoDuration.parse(time), grace >= .zero else {
                throw wrong("evictionSoftGracePeriod", text, "has no time", "memory.available=1m30s")
            }
            graces[signal] = grace
        }
        var reclaims: [EvictionSignal: Limit] = [:]
        for text in settings.reclaim {
            let example = "nodefs.available=500Mi"
            let (signal, amount) = try pair(text, "=", "evictionMinimumReclaim", example)
            reclaims[signal] = try limit(amount, "evictionMinimumReclaim", text, example)
        }
        var all: [EvictionThreshold] = []
        for text in settings.hard {
            if let threshold = try parse(text, "evictionHard") { all.append(threshold) }
        }
        for text in settings.soft {
            guard var threshold = try parse(text, "evictionSoft") else { continue }
            guard let grace = graces[threshold.signal] else {
                throw AdapterError(
                    .invalidArgument,
                    "grace period must be specified for the soft eviction threshold \(threshold.signal.rawValue): say "
                        + "evictionSoftGracePeriod")
            }
            threshold.grace = grace
            all.append(threshold)
        }
        for index in all.indices { all[index].reclaim = reclaims[all[index].signal] }
        return all
    }

    /// One of them: `memory.available<100Mi`.
    /// - Returns: `nil` for one that is never met, as `nodefs.available<0%`.
    static func parse(_ text: String, _ setting: String = "evictionHard") throws(AdapterError) -> EvictionThreshold? {
        let example = "memory.available<100Mi or nodefs.available<10%"
        let (signal, amount) = try pair(text, "<", setting, example)
        if amount == "0%" || amount == "100%" { return nil }
        return EvictionThreshold(signal: signal, limit: try limit(amount, setting, text, example))
    }

    private static func wrong(_ setting: String, _ text: String, _ why: String, _ example: String) -> AdapterError {
        AdapterError(.invalidArgument, "\(setting): \"\(text)\" \(why): write it like \(example)")
    }

    private static func pair(_ text: String, _ separator: Character, _ setting: String, _ example: String)
        throws(AdapterError) -> (EvictionSignal, String)
    {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong(setting, text, "is no threshold", example) }
        guard let signal = EvictionSignal(rawValue: String(parts[0])) else {
            let known = EvictionSignal.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong(setting, text, "names none of \(known)", example)
        }
        return (signal, String(parts[1]))
    }

    private static func limit(_ amount: String, _ setting: String, _ text: String, _ example: String)
        throws(AdapterError) -> Limit
    {
        if amount.hasSuffix("%") {
            guard let percent = Double(amount.dropLast()), (0...100).contains(percent) else {
                throw wrong(setting, text, "has no percentage from 0 to 100", example)
            }
            return .percent(percent)
        }
        guard let quantity = Quantity(amount), quantity.value > 0 else {
            throw wrong(setting, text, "has no quantity above 0", example)
        }
        return .quantity(UInt64(quantity.value))
    }
}
