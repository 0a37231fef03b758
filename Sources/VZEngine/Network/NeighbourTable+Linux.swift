#if os(Linux)
import Glibc
import Synchronization

/// Who this host has for a neighbour on its networks: what the kernel knows, and then what it hears.
struct NeighbourTable: AddressDiscovery {
    /// A device of this process's network namespace; nil for all.
    let interface: String?

    var name: String { "neighbours" + (interface.map { " on \($0)" } ?? "") }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        let index: Int32? = interface.map { Int32(bitPattern: if_nametoindex($0)) }
        guard index != 0 else { throw VZEngineError.system("find the device \(interface ?? "")") }
        let socket = try Self.open()
        let number = socket.number
        let remembered = Mutex(Set<NetworkAddress>())
        try await PacketReader.run(socket, what: name) {
            try Self.ask(number)
        } lost: {
            // Asked again, it tells what is there now. Failing that, others watch as well.
            try? Self.ask(number)
        } _: { datagram in
            for neighbour in NeighbourMessage.read(datagram) {
                guard neighbour.hardwareAddress == hardwareAddress, index == nil || neighbour.interface == index else {
                    continue
                }
                // Everything but a confirmation may be about what was known before.
                let isOld = remembered.withLock { known in
                    if neighbour.isAnswer { known.insert(neighbour.address) }
                    return neighbour.isAnswer || !neighbour.isConfirmed && known.contains(neighbour.address)
                }
                report(AddressSighting(neighbour.address, isOld ? .remembered : .spoken))
            }
        }
    }

    private static func open() throws -> Descriptor {
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(Glibc.socket(AF_NETLINK, kind, 0))
        guard socket.number >= 0 else { throw VZEngineError.system("ask the kernel for its neighbours") }
        // The kernel's sockaddr_nl: family, padding, who we are (the kernel says), and what we want to hear: neighbours.
        var address = (UInt16(AF_NETLINK), UInt16(0), UInt32(0), UInt32(4))
        let bound = withUnsafePointer(to: &address) { pointer in
            UnsafeRawPointer(pointer).withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, 12)
            }
        }
        guard bound == 0 else { throw VZEngineError.system("listen for neighbours") }
        return socket
    }

    private static func ask(_ socket: Int32) throws {
        let question = NeighbourMessage.question
        guard send(socket, question, question.count, 0) == question.count else {
            throw VZEngineError.system("ask the kernel for its neighbours")
        }
    }
}
#endif
