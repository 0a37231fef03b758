#if os(Linux)
import Glibc
import NIOPosix
import Synchronization

/// A network device whose other end is a machine. It is gone when the last process that holds it has ended.
final class TapDevice: Sendable {
    /// For QEMU; closed here once it runs.
    let descriptor: Descriptor
    let name: String

    private init(_ descriptor: Descriptor, _ name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    private static let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
    private static let addToBridge: UInt = 0x89a2  // SIOCBRADDIF

    /// Makes one and adds it to a bridge.
    static func make(bridge: String) throws -> TapDevice {
        let device = Descriptor(open("/dev/net/tun", O_RDWR | O_CLOEXEC))
        guard device.number >= 0 else { throw VZEngineError.system("open /dev/net/tun", .startFailed) }
        var request = ifreq()
        setName("vzc%d", of: &request)
        // As QEMU's own: whole frames, with the header by which guests leave checksums to the host.
        request.ifr_ifru.ifru_flags = Int16(truncatingIfNeeded: 0x0002 | 0x1000 | 0x4000)
        guard ioctl(device.number, setInterface, &request) == 0 else {
            throw VZEngineError.system("make a network device", .startFailed)
        }
        let name = name(of: request)

        let control = Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        guard control.number >= 0 else { throw VZEngineError.system("make a socket") }
        var member = ifreq()
        setName(bridge, of: &member)
        member.ifr_ifru.ifru_ivalue = Int32(if_nametoindex(name))
        guard ioctl(control.number, addToBridge, &member) == 0 else {
            throw VZEngineError.system("add a machine to the bridge \(bridge)", .startFailed)
        }
        var state = ifreq()
        setName(name, of: &state)
        state.ifr_ifru.ifru_flags = Int16(IFF_UP)
        guard ioctl(control.number, UInt(SIOCSIFFLAGS), &state) == 0 else {
            throw VZEngineError.system("start the network device \(name)", .startFailed)
        }
        return TapDevice(device, name)
    }

    private static func setName(_ name: String, of request: inout ifreq) {
        withUnsafeMutableBytes(of: &request.ifr_ifrn) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.copyBytes(from: name.utf8.prefix(bytes.count - 1))
        }
    }

    private static func name(of request: ifreq) -> String {
        withUnsafeBytes(of: request.ifr_ifrn) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Listens on the device until the machine has said from which address it speaks. Cancelled with its task.
    func learnAddress(of hardwareAddress: String) async throws -> String {
        let stop = Mutex(false)
        return try await withTaskCancellationHandler {
            // A thread of its own: it may take as long as a guest boots.
            let pool = NIOThreadPool(numberOfThreads: 1)
            pool.start()
            defer { pool.shutdownGracefully { _ in } }
            return try await pool.runIfActive { [name] in
                try Self.listen(name, hardwareAddress) { stop.withLock { $0 } }
            }
        } onCancel: {
            stop.withLock { $0 = true }
        }
    }

    private static func listen(_ name: String, _ hardwareAddress: String, _ isStopped: () -> Bool) throws -> String {
        let everything = UInt16(0x0003).bigEndian  // ETH_P_ALL
        let socket = Descriptor(socket(AF_PACKET, Int32(SOCK_RAW.rawValue), Int32(everything)))
        guard socket.number >= 0 else { throw VZEngineError.system("listen on \(name)") }
        var address = PacketAddress(protocol: everything, interface: Int32(bitPattern: if_nametoindex(name)))
        let bound = withUnsafePointer(to: &address) { pointer in
            UnsafeRawPointer(pointer).withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, socklen_t(MemoryLayout<PacketAddress>.size))
            }
        }
        guard bound == 0 else { throw VZEngineError.system("listen on \(name)") }
        var frame = [UInt8](repeating: 0, count: 2048)
        while !isStopped() {
            var waiting = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, 200)
            if ready < 0, errno != EINTR { throw VZEngineError.system("listen on \(name)") }
            guard ready > 0 else { continue }
            let count = recv(socket.number, &frame, frame.count, 0)
            guard count > 0 else { throw VZEngineError.system("listen on \(name)") }
            if let found = FrameReader.sender(of: frame[..<count], hardwareAddress) { return found }
        }
        throw CancellationError()
    }
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
