#if os(Linux)
import Glibc

/// What a machine says and is told on its network device, by a packet socket: ARP and DHCP's answers only, so that a machine
/// that is busy on its network costs nothing here.
struct PacketCapture: AddressDiscovery {
    /// A device of this process's network namespace.
    let interface: String

    var name: String { "packets on \(interface)" }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        let socket = try Self.open(interface)
        try await PacketReader.run(socket, what: name) { frame in
            if let found = FrameReader.sighting(in: frame, of: hardwareAddress) { report(found) }
        }
    }

    private static func open(_ interface: String) throws -> Descriptor {
        let everything = UInt16(0x0003).bigEndian  // ETH_P_ALL
        // Hears nothing before it is bound, and by then it knows what it wants to hear.
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Descriptor(Glibc.socket(AF_PACKET, kind, 0))
        guard socket.number >= 0 else { throw VZEngineError.system("listen on \(interface)") }
        try attachFilter(to: socket.number, interface)
        let index = if_nametoindex(interface)
        guard index != 0 else { throw VZEngineError.system("listen on \(interface)") }
        var address = PacketAddress(protocol: everything, interface: Int32(bitPattern: index))
        let bound = withUnsafePointer(to: &address) { pointer in
            UnsafeRawPointer(pointer).withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, socklen_t(MemoryLayout<PacketAddress>.size))
            }
        }
        guard bound == 0 else { throw VZEngineError.system("listen on \(interface)") }
        return socket
    }

    private static func attachFilter(to socket: Int32, _ interface: String) throws {
        let attach: Int32 = 26  // SO_ATTACH_FILTER
        let done = filter.withUnsafeBufferPointer { instructions in
            var program = Program(count: UInt16(instructions.count), instructions: instructions.baseAddress!)
            return setsockopt(socket, SOL_SOCKET, attach, &program, socklen_t(MemoryLayout<Program>.size))
        }
        guard done == 0 else { throw VZEngineError.system("choose what is heard on \(interface)") }
    }

    private static let filter: [Instruction] = [
        .init(0x28, 12),  // the frame's type:
        .init(0x15, 0x0806, then: 8),  // ARP is wanted,
        .init(0x15, 0x0800, otherwise: 8),  // of IPv4
        .init(0x30, 23),
        .init(0x15, 17, otherwise: 6),  // UDP,
        .init(0x28, 20),
        .init(0x45, 0x1fff, then: 4),  // from its beginning,
        .init(0xb1, 14),
        .init(0x48, 14),
        .init(0x15, 67, otherwise: 1),  // from a DHCP server's port;
        .init(0x06, 2048),
        .init(0x06, 0),  // and nothing else.
    ]
}

/// The kernel's `sock_filter`.
private struct Instruction {
    var code: UInt16
    var then: UInt8
    var otherwise: UInt8
    var value: UInt32

    init(_ code: UInt16, _ value: UInt32, then: UInt8 = 0, otherwise: UInt8 = 0) {
        self.code = code
        self.then = then
        self.otherwise = otherwise
        self.value = value
    }
}

/// The kernel's `sock_fprog`.
private struct Program {
    var count: UInt16
    var instructions: UnsafePointer<Instruction>
}

/// The kernel's `sockaddr_ll`.
private struct PacketAddress {
    var family = UInt16(AF_PACKET)
    var `protocol`: UInt16
    var interface: Int32
    var hardwareType: UInt16 = 0
    var packetType: UInt8 = 0
    var length: UInt8 = 0
    var address: UInt64 = 0
}
#endif
