#if os(macOS)
import Processes
import VZEngine

extension NeighbourTable {
    /// Asks until the guest has spoken to this host, or the caller is cancelled.
    static func address(of mac: String) async throws -> String {
        let end = ContinuousClock.now + .seconds(90)
        repeat {
            let table = try await Command.checked("/usr/sbin/arp", ["-an"], deadline: .seconds(10)).text
            if let address = address(of: mac, in: table) { return address }
            try await Task.sleep(for: .milliseconds(500))
        } while ContinuousClock.now < end
        throw VZEngineError(
            .guestUnreachable, "no address of the guest \(mac) is known after 90 seconds: has it asked for one by DHCP?"
        )
    }
}
#endif
