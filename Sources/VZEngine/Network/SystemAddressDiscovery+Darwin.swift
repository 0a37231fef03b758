#if canImport(Darwin)
/// Where this system tells of addresses.
public enum SystemAddressDiscovery {
    /// For a machine on Virtualization.framework's own network, whose server notes its leases.
    public static var ofSharedNetwork: [any AddressDiscovery] {
        [NeighbourTable(interface: nil), LeaseFiles("/var/db/dhcpd_leases", .bootpd)]
    }

    /// For a machine on a network of the host's.
    public static func ofMachine(device: String, bridge: String?) -> [any AddressDiscovery] {
        let interface = bridge ?? device
        return [PacketCapture(interface: interface), NeighbourTable(interface: interface)]
    }
}
#endif
