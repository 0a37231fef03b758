import NIOCore

/// The addresses others reach this node at.
enum NodeAddresses {
    /// The first IPv4 and the first IPv6 address that lead outside; loopback where there is none.
    static func find() throws -> [String] {
        var four: String?
        var six: String?
        for device in try System.enumerateDevices() {
            guard let address = device.address, let text = address.ipAddress, !isInner(device.name) else { continue }
            switch address.protocol {
            case .inet where !text.hasPrefix("127.") && !text.hasPrefix("169.254."): four = four ?? text
            case .inet6 where text != "::1" && !text.lowercased().hasPrefix("fe80"): six = six ?? text
            default: continue
            }
        }
        let found = [four, six].compactMap { $0 }
        return found.isEmpty ? ["127.0.0.1"] : found
    }

    /// Bridges and tunnels of this machine's own containers and virtual machines.
    private static func isInner(_ name: String) -> Bool {
        ["docker", "br-", "veth", "virbr", "cni", "vzt", "bridge", "utun", "vmenet"].contains { name.hasPrefix($0) }
    }
}
