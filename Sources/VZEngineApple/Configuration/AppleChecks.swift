import VZEngine
import Virtualization

/// Refuses what the framework could only fail at later, or with fewer words. Looks at no file.
enum AppleChecks {
    static func check(_ config: MachineConfig) throws {
        let isMac = if case .mac = config.boot { true } else { false }
        guard isMac == (config.guestOS == .macos) else {
            throw refuse(
                isMac
                    ? "a Linux guest does not start as a Mac does: by its kernel or firmware"
                    : "a macOS guest starts as a Mac only: with a hardware model, an identifier and auxiliary storage")
        }
        try checkResources(config)
        try checkDisks(config, isMac)
        try checkShares(config)
        try checkNetwork(config.network)
        if config.nestedVirtualization == true {
            guard !isMac else { throw refuse("a macOS guest cannot run machines of its own") }
            guard VZGenericPlatformConfiguration.isNestedVirtualizationSupported else {
                throw refuse(
                    "this Mac cannot run machines in machines: that needs an M3 or newer and macOS 15 or newer")
            }
        }
        if let display = config.display {
            guard display.width > 0, display.height > 0, display.pixelsPerInch > 0 else {
                throw refuse("a display of \(display.width)x\(display.height) at \(display.pixelsPerInch) is none")
            }
        }
    }

    static let mebibyte: UInt64 = 1 << 20

    /// In whole MiB, as the framework wants it.
    static func memory(_ bytes: Int64) -> UInt64 { (UInt64(max(0, bytes)) + mebibyte - 1) / mebibyte * mebibyte }

    private static func checkResources(_ config: MachineConfig) throws {
        typealias Limits = VZVirtualMachineConfiguration
        let cpus = Limits.minimumAllowedCPUCount...Limits.maximumAllowedCPUCount
        guard cpus.contains(config.cpus) else {
            throw refuse(
                "\(config.cpus) processors were asked for: a machine has \(cpus.lowerBound) to \(cpus.upperBound) on "
                    + "this Mac")
        }
        let bytes = Limits.minimumAllowedMemorySize...Limits.maximumAllowedMemorySize
        guard config.memoryBytes > 0, bytes.contains(memory(config.memoryBytes)) else {
            throw refuse(
                "\(config.memoryBytes) bytes of memory were asked for: a machine has \(bytes.lowerBound >> 20) to "
                    + "\(bytes.upperBound >> 20) MiB on this Mac")
        }
    }

    private static func checkDisks(_ config: MachineConfig, _ isMac: Bool) throws {
        if config.disks.isEmpty {
            if isMac { throw refuse("a macOS guest has no disk to start from") }
            if case .efi = config.boot { throw refuse("firmware has no disk to start from") }
        }
        for disk in config.disks where disk.format != .raw {
            throw refuse(
                "\(disk.path) is a \(disk.format.rawValue) disk: Virtualization.framework reads raw ones only; convert "
                    + "it (qemu-img convert -O raw), and keep the machines on a file system that clones files (APFS)")
        }
    }

    private static func checkShares(_ config: MachineConfig) throws {
        var tags: Set<String> = []
        for share in config.shares {
            try check(share)
            guard tags.insert(share.tag).inserted else { throw refuse("two shares have the name \"\(share.tag)\"") }
        }
    }

    static func check(_ share: MachineConfig.Share) throws {
        do {
            try VZVirtioFileSystemDeviceConfiguration.validateTag(share.tag)
        } catch {
            throw VZEngineError(
                .invalidArgument, "the share \"\(share.tag)\" needs another name: \(AppleErrors.words(of: error))")
        }
        guard share.source.hasPrefix("/") else { throw refuse("\(share.source) is no absolute path") }
    }

    private static func checkNetwork(_ network: MachineConfig.Network) throws {
        if !network.macAddress.isEmpty {
            guard let address = VZMACAddress(string: network.macAddress), address.isUnicastAddress else {
                throw refuse("\(network.macAddress) is no hardware address of a machine")
            }
        }
        if network.mode == .bridged, network.interface ?? "" == "" {
            throw refuse("a bridged network needs the name of an interface of this host, such as en0")
        }
    }

    private static func refuse(_ message: String) -> VZEngineError { VZEngineError(.invalidArgument, message) }
}
