import Logging
import VZEngine

/// What runs the machines of a host, as far as it decides what is made for it.
enum HostEngine: Sendable, Hashable {
    case qemu
    /// Apple's Virtualization.framework.
    case apple

    /// - Throws: `unsupported` for an image that no machine of this host can be made of.
    func check(_ image: MachineImage, _ reference: String) throws {
        let isMac = if case .mac = image.boot { true } else { image.guestOS == .macos }
        switch self {
        case .apple:
            for disk in image.disks { try check(disk) }
        case .qemu where isMac:
            throw ShimError(
                .unsupported,
                "the image \(reference) is of a macOS guest, and this host runs machines by QEMU, which runs none: let the "
                    + "pod be scheduled to a Mac (nodeSelector kubernetes.io/os: darwin)")
        case .qemu: break
        }
    }

    /// - Throws: `unsupported` for a disk that it cannot read.
    func check(_ disk: MachineConfig.Disk) throws {
        guard self == .apple, disk.format != .raw else { return }
        throw ShimError(
            .unsupported,
            "the disk \(disk.path) is \(disk.format.rawValue), and Virtualization.framework reads raw disks only: convert it "
                + "(qemu-img convert -O raw FROM TO) and import the image again")
    }

    /// Why guests cannot run machines of their own; nil when they can, or when that is known at the start only.
    func nestingRefusal(logger: Logger) async -> String? {
        switch self {
        case .qemu: await QEMUNeeds.nestingRefusal(logger: logger)
        case .apple: nil
        }
    }

    /// Every machine has an address of its own, also without a bridge.
    var givesAddresses: Bool { self == .apple }

    /// How its machines get disks of their own; nil takes what the file system has.
    var cloneMethod: DiskClone.Method? { self == .apple ? .reflink : nil }

    /// What to do where that cannot be had.
    var cloneAdvice: String {
        "machines of Virtualization.framework need disks that share blocks with their image's: put the root directory, with "
            + "images and machines, on one APFS volume"
    }

    /// Apple's kernel runs no more macOS guests at a time, whoever started them.
    var macGuests: Int { self == .apple ? 2 : 0 }

    /// What a reservation without further words is for: the guests that such a host is there for.
    var standardGuest: MachineConfig.GuestOS { self == .apple ? .macos : .linux }
}
