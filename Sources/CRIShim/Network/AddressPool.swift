/// Which sandbox has which address of the range. Addresses are given in turn, so that one just released rests a while.
struct AddressPool: Sendable {
    let range: IPv4Range
    private(set) var owners: [IPv4Address: String] = [:]
    private var next: UInt32

    init(_ range: IPv4Range) {
        self.range = range
        next = range.podAddresses.lowerBound
    }

    /// - Throws: `exhausted`.
    mutating func take(for owner: String) throws -> IPv4Address {
        let all = range.podAddresses
        for _ in all {
            let candidate = IPv4Address(next)
            next = next + 1 < all.upperBound ? next + 1 : all.lowerBound
            if owners[candidate] == nil {
                owners[candidate] = owner
                return candidate
            }
        }
        throw ShimError(
            .exhausted,
            "all \(all.count) addresses of \(range) are in use: remove pods, or configure a larger podCIDR")
    }

    /// Notes an address that a record on disk gives to a sandbox. One outside of the range is none of ours to give.
    mutating func note(_ address: IPv4Address, of owner: String) {
        guard range.podAddresses.contains(address.value) else { return }
        owners[address] = owner
        // After a restart: goes on behind what was given before.
        if address.value >= next {
            next = address.value + 1 < range.podAddresses.upperBound ? address.value + 1 : range.podAddresses.lowerBound
        }
    }

    mutating func release(of owner: String) {
        owners = owners.filter { $0.value != owner }
    }
}
