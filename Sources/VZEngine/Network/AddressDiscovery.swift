/// A place where it can be learned which address a network card has.
public protocol AddressDiscovery: Sendable {
    /// For the log.
    var name: String { get }

    /// Reports what there is, and then what comes, until the task is cancelled. What it opened is closed when it returns.
    /// - Throws: when this system has no such place, or it is not ours to look at. Others may know more.
    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws
}

/// That a card has an address.
public struct AddressSighting: Sendable, Hashable {
    public enum Evidence: Sendable, Hashable, Comparable {
        /// Noted before anybody looked: an earlier machine may have had the same card.
        case remembered
        /// It speaks from the address. It may have several, or pass on what others say.
        case spoken
        /// It told everybody that the address is its own.
        case announced
        /// A DHCP server gave the address to it just now.
        case leased
    }

    public var address: NetworkAddress
    public var evidence: Evidence

    public init(_ address: NetworkAddress, _ evidence: Evidence) {
        self.address = address
        self.evidence = evidence
    }
}
