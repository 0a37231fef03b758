public import Foundation

/// A machine's configuration as the framework understood it: what a test looks at, and what a saved state must find again.
public struct SimulatedHardware: Codable, Sendable, Hashable {
    public enum Platform: Codable, Sendable, Hashable {
        case linux(kernel: String, initrd: String?, commandLine: String)
        case efi(variables: String)
        case mac(model: Data, auxiliaryStorage: String)
    }

    public struct Disk: Codable, Sendable, Hashable {
        public var path: String
        public var isReadOnly: Bool
        /// Apple's raw values.
        public var caching: Int
        public var synchronization: Int
    }

    public struct Share: Codable, Sendable, Hashable {
        public var path: String
        public var isReadOnly: Bool
    }

    public var platform: Platform
    public var machineIdentifier: Data
    public var nestedVirtualization = false
    public var cpus: Int
    public var memory: UInt64
    public var disks: [Disk]
    /// By tag; what is shared may change.
    public var shareTags: [String]
    /// `nat` or `bridged NAME`, and the hardware's address.
    public var networks: [String]
    public var macAddresses: [String]
    /// `1920x1200@80`
    public var displays: [String]
    /// Names of Apple's types, in the order of the configuration.
    public var otherDevices: [String]

    public var isMac: Bool { if case .mac = platform { true } else { false } }

    init(_ configuration: VZVirtualMachineConfiguration) {
        switch configuration.bootLoader {
        case let linux as VZLinuxBootLoader:
            platform = .linux(
                kernel: linux.kernelURL.path, initrd: linux.initialRamdiskURL?.path, commandLine: linux.commandLine)
        case let efi as VZEFIBootLoader: platform = .efi(variables: efi.variableStore?.url.path ?? "")
        default:
            let mac = configuration.platform as? VZMacPlatformConfiguration
            platform = .mac(
                model: mac?.hardwareModel.dataRepresentation ?? Data(),
                auxiliaryStorage: mac?.auxiliaryStorage?.url.path ?? "")
        }
        switch configuration.platform {
        case let mac as VZMacPlatformConfiguration: machineIdentifier = mac.machineIdentifier.dataRepresentation
        case let generic as VZGenericPlatformConfiguration:
            machineIdentifier = generic.machineIdentifier.dataRepresentation
            nestedVirtualization = generic.isNestedVirtualizationEnabled
        default: machineIdentifier = Data()
        }
        cpus = configuration.cpuCount
        memory = configuration.memorySize
        disks = configuration.storageDevices.compactMap { device in
            (device.attachment as? VZDiskImageStorageDeviceAttachment).map {
                Disk(
                    path: $0.url.path, isReadOnly: $0.isReadOnly, caching: $0.cachingMode.rawValue,
                    synchronization: $0.synchronizationMode.rawValue)
            }
        }
        shareTags = configuration.directorySharingDevices.compactMap {
            ($0 as? VZVirtioFileSystemDeviceConfiguration)?.tag
        }
        networks = configuration.networkDevices.map { device in
            switch device.attachment {
            case is VZNATNetworkDeviceAttachment: "nat"
            case let bridged as VZBridgedNetworkDeviceAttachment: "bridged \(bridged.interface.identifier)"
            default: "none"
            }
        }
        macAddresses = configuration.networkDevices.map(\.macAddress.string)
        displays = configuration.graphicsDevices.flatMap { device -> [String] in
            switch device {
            case let mac as VZMacGraphicsDeviceConfiguration:
                mac.displays.map { "\($0.widthInPixels)x\($0.heightInPixels)@\($0.pixelsPerInch)" }
            case let virtio as VZVirtioGraphicsDeviceConfiguration:
                virtio.scanouts.map { "\($0.widthInPixels)x\($0.heightInPixels)" }
            default: []
            }
        }
        let others: [[NSObject]] = [
            configuration.serialPorts, configuration.socketDevices, configuration.entropyDevices,
            configuration.memoryBalloonDevices, configuration.graphicsDevices, configuration.keyboards,
            configuration.pointingDevices, configuration.audioDevices, configuration.consoleDevices,
            configuration.usbControllers,
        ]
        otherDevices = []
        for device in others.joined() { otherDevices.append("\(type(of: device))") }
    }

    /// Without the paths of its files: a saved machine may be moved with them, or cloned.
    var wherever: SimulatedHardware {
        var other = self
        for index in other.disks.indices { other.disks[index].path = "" }
        other.platform =
            switch platform {
            case .linux(_, let initrd, let commandLine):
                .linux(kernel: "", initrd: initrd.map { _ in "" }, commandLine: commandLine)
            case .efi: .efi(variables: "")
            case .mac(let model, _): .mac(model: model, auxiliaryStorage: "")
            }
        return other
    }

    /// Where it is said to be: below the directory of a ``SimulatedMac``.
    var place: String {
        if let disk = disks.first { return disk.path }
        if case .linux(let kernel, _, _) = platform { return kernel }
        return ""
    }
}
