#if canImport(Darwin)
import Darwin

/// Who this host has for a neighbour on its networks, as `arp -an` shows it. This kernel tells when it is asked.
struct NeighbourTable: AddressDiscovery {
    /// nil for all.
    let interface: String?

    /// How often it is asked, until the address is known and afterwards.
    private static let pauses = (first: Duration.seconds(1), later: Duration.seconds(15))

    var name: String { "neighbours" + (interface.map { " on \($0)" } ?? "") }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        let index = interface.map { UInt16(truncatingIfNeeded: if_nametoindex($0)) }
        guard index != 0 else { throw VZEngineError.system("find the device \(interface ?? "")") }
        let old = Set(try Self.addresses(of: hardwareAddress, on: index))
        for address in old { report(AddressSighting(address, .remembered)) }
        var pause = Self.pauses.first
        while !Task.isCancelled {
            do { try await Task.sleep(for: pause) } catch { return }
            for address in try Self.addresses(of: hardwareAddress, on: index) where !old.contains(address) {
                report(AddressSighting(address, .spoken))
                pause = Self.pauses.later
            }
        }
    }

    /// The table, of which this takes a moment.
    private static func addresses(of card: HardwareAddress, on index: UInt16?) throws -> [NetworkAddress] {
        var name: [Int32] = [CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_FLAGS, RTF_LLINFO]
        var bytes: [UInt8] = []
        var length = 0
        // It may grow between the question for its size and the one for itself.
        for _ in 0..<5 {
            guard sysctl(&name, UInt32(name.count), nil, &length, nil, 0) == 0 else {
                throw VZEngineError.system("read the neighbours")
            }
            length += length / 4 + 512
            bytes = [UInt8](repeating: 0, count: length)
            if sysctl(&name, UInt32(name.count), &bytes, &length, nil, 0) == 0 {
                return read(bytes[..<length], card, index)
            }
            guard errno == ENOMEM else { break }
        }
        throw VZEngineError.system("read the neighbours")
    }

    private static func read(_ bytes: ArraySlice<UInt8>, _ card: HardwareAddress, _ index: UInt16?) -> [NetworkAddress]
    {
        var found: [NetworkAddress] = []
        var rest = bytes
        let header = MemoryLayout<rt_msghdr>.size
        while rest.count >= header {
            let message = rest.withUnsafeBytes { $0.loadUnaligned(as: rt_msghdr.self) }
            guard Int(message.rtm_msglen) >= header, Int(message.rtm_msglen) <= rest.count else { break }
            // A sockaddr_in with the address at 4; behind it a sockaddr_dl with the card's address after the name of its device.
            let inner = Array(rest.prefix(Int(message.rtm_msglen)).dropFirst(header))
            rest = rest.dropFirst(Int(message.rtm_msglen))
            guard inner.count >= 8, inner[1] == UInt8(AF_INET) else { continue }
            let link = Array(inner.dropFirst((max(Int(inner[0]), 4) + 3) & ~3))
            guard link.count >= 8, link[1] == UInt8(AF_LINK), link[6] == 6, link.count >= 8 + Int(link[5]) + 6,
                HardwareAddress(bytes: link[(8 + Int(link[5]))..<(14 + Int(link[5]))]) == card,
                index == nil || index == message.rtm_index, let address = NetworkAddress(bytes: inner[4..<8])
            else { continue }
            found.append(address)
        }
        return found
    }
}
#endif
