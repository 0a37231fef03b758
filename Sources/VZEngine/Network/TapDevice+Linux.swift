#if os(Linux)
import Glibc

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

    /// Makes one and adds it to a bridge, in the network namespace of this process.
    ///
    /// - Parameter name: 15 bytes at most; nobody else's.
    static func make(bridge: String, name: String) throws -> TapDevice {
        guard if_nametoindex(bridge) != 0 else {
            throw VZEngineError(
                .startFailed, "there is no bridge \(bridge) on this host: make it, or configure another bridgeInterface"
            )
        }
        let device = Descriptor(open("/dev/net/tun", O_RDWR | O_CLOEXEC))
        guard device.number >= 0 else { throw VZEngineError.system("open /dev/net/tun", .startFailed) }
        var request = ifreq()
        setName(name, of: &request)
        // As QEMU's own: whole frames, with the header by which guests leave checksums to the host.
        request.ifr_ifru.ifru_flags = Int16(truncatingIfNeeded: 0x0002 | 0x1000 | 0x4000)
        guard ioctl(device.number, setInterface, &request) == 0 else {
            throw VZEngineError.system("make a network device", .startFailed)
        }
        let control = Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard control.number >= 0 else { throw VZEngineError.system("make a socket") }
        // A bridge can carry what the smallest of its devices can: this one must not be that.
        var size = ifreq()
        setName(bridge, of: &size)
        if ioctl(control.number, UInt(SIOCGIFMTU), &size) == 0 {
            setName(name, of: &size)
            _ = ioctl(control.number, UInt(SIOCSIFMTU), &size)
        }
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

    /// The device of a machine: nobody else has one of this name.
    static func name(ofMachine id: String) -> String { "vzc" + id.prefix(12) }

    private static func setName(_ name: String, of request: inout ifreq) {
        withUnsafeMutableBytes(of: &request.ifr_ifrn) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.copyBytes(from: name.utf8.prefix(bytes.count - 1))
        }
    }
}
#endif
