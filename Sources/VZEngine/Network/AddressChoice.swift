/// Which of the addresses that a card was seen with is its machine's. Without I/O.
struct AddressChoice: Sendable {
    /// What was noted before anybody looked is believed when nothing newer was seen for so long.
    static let patience = Duration.seconds(15)
    /// An address that was not given by a server is another's when the machine spoke from that again after so long, and not
    /// from its own in between.
    static let persistence = Duration.seconds(5)

    private(set) var current: NetworkAddress?
    private var isLeased = false
    /// The first that was remembered.
    private var remembered: NetworkAddress?
    /// What the machine speaks from instead of ``current``, and since when.
    private var rival: (address: NetworkAddress, since: Duration)?

    /// - Parameter elapsed: since the search began.
    /// - Returns: the machine's address when it is known for the first time, or is another one from now on.
    mutating func handle(_ sighting: AddressSighting, at elapsed: Duration) -> NetworkAddress? {
        let address = sighting.address
        guard address.isUsable else { return nil }
        if sighting.evidence == .remembered {
            if remembered == nil { remembered = address }
            return elapsed >= Self.patience ? settle() : nil
        }
        if sighting.evidence == .leased {
            isLeased = true
            return choose(address)
        }
        guard let current else { return choose(address) }
        guard address != current else {
            rival = nil
            return nil
        }
        // What a server has given only a server takes back: a machine with networks of its own speaks from many addresses.
        guard !isLeased else { return nil }
        if sighting.evidence == .announced { return choose(address) }
        guard let rival, rival.address == address else {
            rival = (address, elapsed)
            return nil
        }
        return elapsed - rival.since >= Self.persistence ? choose(address) : nil
    }

    /// Nothing new was seen within ``patience``.
    mutating func settle() -> NetworkAddress? {
        guard current == nil, let remembered else { return nil }
        return choose(remembered)
    }

    private mutating func choose(_ address: NetworkAddress) -> NetworkAddress? {
        rival = nil
        guard address != current else { return nil }
        current = address
        return address
    }
}
