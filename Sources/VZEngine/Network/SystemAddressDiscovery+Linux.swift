#if os(Linux)
import Glibc

/// Where this system tells of addresses.
public enum SystemAddressDiscovery {
    /// For a machine with a network device of its own on a bridge.
    public static func ofMachine(device: String, bridge: String?) -> [any AddressDiscovery] {
        [PacketCapture(interface: device), NeighbourTable(interface: bridge)] + leases
    }

    /// Where servers, as distributions have them, note their leases. Those that are there when a machine starts.
    static var leases: [any AddressDiscovery] {
        let files: [(directory: String, name: String, format: LeaseFormat)] = [
            ("/var/lib/misc", "dnsmasq.leases", .dnsmasq),
            ("/var/lib/dnsmasq", "dnsmasq.leases", .dnsmasq),
            ("/var/lib/dhcp", "dhcpd.leases", .isc),
            ("/var/lib/dhcpd", "dhcpd.leases", .isc),
            ("/var/lib/misc", "udhcpd.leases", .udhcpd),
            ("/var/lib/systemd/network/dhcp-server-lease", "", .networkd),
        ]
        return files.filter { access($0.name.isEmpty ? $0.directory : "\($0.directory)/\($0.name)", R_OK) == 0 }.map {
            file in
            LeaseFiles(directory: file.directory, format: file.format) {
                file.name.isEmpty ? !$0.hasPrefix(".") : $0 == file.name
            }
        }
    }
}
#endif
