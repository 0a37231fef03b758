import KubeAPI

extension EvictionThreshold {
    /// As a kubelet's `--eviction-hard` has them: `memory.available<100Mi`, `nodefs.available<10%`.
    /// - Throws: ``AdapterError`` `invalidArgument` with what is wrong.
    static func parse(_ text: String) throws(AdapterError) -> EvictionThreshold {
        func wrong(_ why: String) -> AdapterError {
            AdapterError(
                .invalidArgument, "\"\(text)\" \(why): write it like memory.available<100Mi or nodefs.available<10%")
        }
        let parts = text.split(separator: "<", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong("is no threshold") }
        guard let signal = EvictionSignal(rawValue: String(parts[0])) else {
            throw wrong("names none of \(EvictionSignal.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if parts[1].hasSuffix("%") {
            guard let percent = UInt64(parts[1].dropLast()), percent <= 100 else {
                throw wrong("has no percentage from 0 to 100")
            }
            return EvictionThreshold(signal: signal, limit: .percent(percent))
        }
        guard let quantity = Quantity(String(parts[1])), quantity.value >= 0 else { throw wrong("has no quantity") }
        return EvictionThreshold(signal: signal, limit: .quantity(UInt64(quantity.value)))
    }
}
