#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Every pod on the host's network: for systems without namespaces and for users who may not make them.
struct HostNetworks: SandboxNetworks {
    func setUp(_ record: SandboxRecord, begun: @escaping @Sendable (PodNetwork) -> Void) async throws -> PodNetwork {
        Self.network(record.id)
    }
    func network(of id: String) async throws -> PodNetwork? { Self.network(id) }
    func tearDown(sandbox id: String) async throws {}
    func adopt(known sandboxIDs: Set<String>) async throws {}

    static func network(_ id: String) -> PodNetwork {
        var network = PodNetwork(sandbox: id, kind: .host)
        network.addresses = HostAddress.primary.map { [$0] } ?? []
        network.isComplete = true
        return network
    }
}

enum HostAddress {
    /// The address that others reach this host by: the one it would use itself to reach the world. nil without any.
    static var primary: String? {
        let descriptor = socket(AF_INET, datagram, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // Nothing is sent. The address is one for documentation: it is nobody's.
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(9).bigEndian
        address.sin_addr.s_addr = (0xcb00_7101 as UInt32).bigEndian
        var own = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard found else { return nil }
        let named = withUnsafeMutablePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        let value = UInt32(bigEndian: own.sin_addr.s_addr)
        guard named, value != 0, value >> 24 != 127 else { return nil }
        return IPv4Address(value).description
    }

    private static var datagram: Int32 {
        #if canImport(Glibc)
        Int32(SOCK_DGRAM.rawValue)
        #else
        SOCK_DGRAM
        #endif
    }
}
