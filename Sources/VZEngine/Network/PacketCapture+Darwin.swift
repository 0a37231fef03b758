#if canImport(Darwin)
/// What a machine says and is told on a network. Root and those of the group `access_bpf` may listen.
struct PacketCapture: AddressDiscovery {
    let interface: String

    var name: String { "packets on \(interface)" }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        try await TcpdumpCapture(interface: interface).run(for: hardwareAddress, report)
    }
}
#endif
