import Foundation
import VZEngine
import Virtualization

/// Makes the framework's configuration of ours. Opens files, and so belongs on a queue of its own.
struct ConfigurationBuilder {
    let config: MachineConfig
    let files: MachineFiles
    let macAddress: String
    let console: FileHandle

    /// - Throws: `VZEngineError` or the framework's `VZError`.
    func make() throws -> VZVirtualMachineConfiguration {
        let made = VZVirtualMachineConfiguration()
        made.cpuCount = config.cpus
        made.memorySize = AppleChecks.memory(config.memoryBytes)
        made.storageDevices = try files.disks.map { try disk($0) }
        made.networkDevices = [try network()]
        made.directorySharingDevices = config.shares.map { share in
            let device = VZVirtioFileSystemDeviceConfiguration(tag: share.tag)
            device.share = Self.share(share)
            return device
        }
        let port = VZVirtioConsoleDeviceSerialPortConfiguration()
        port.attachment = VZFileHandleSerialPortAttachment(fileHandleForReading: nil, fileHandleForWriting: console)
        made.serialPorts = [port]
        made.socketDevices = [VZVirtioSocketDeviceConfiguration()]
        switch files.boot {
        case .kernel(let path, let initrd, let commandLine):
            let loader = VZLinuxBootLoader(kernelURL: URL(fileURLWithPath: path))
            loader.commandLine = commandLine
            loader.initialRamdiskURL = initrd.map { URL(fileURLWithPath: $0) }
            made.bootLoader = loader
            try addLinux(to: made)
        case .efi(let variables):
            let loader = VZEFIBootLoader()
            loader.variableStore = try variableStore(variables)
            made.bootLoader = loader
            try addLinux(to: made)
        case .mac(let model, _, let storage): try addMac(to: made, model: model, storage: storage)
        }
        try made.validate()
        return made
    }

    static func share(_ share: MachineConfig.Share) -> VZDirectoryShare {
        VZSingleDirectoryShare(
            directory: VZSharedDirectory(url: URL(fileURLWithPath: share.source), readOnly: share.readOnly))
    }

    // MARK: Disks and network

    private func disk(_ disk: MachineConfig.Disk) throws -> VZStorageDeviceConfiguration {
        VZVirtioBlockDeviceConfiguration(
            attachment: try VZDiskImageStorageDeviceAttachment(
                url: URL(fileURLWithPath: disk.path), readOnly: disk.readOnly, cachingMode: caching,
                synchronizationMode: synchronization))
    }

    /// A Linux guest loses what it wrote when the host caches by its own rules: `cached` is what works for them.
    private var caching: VZDiskImageCachingMode {
        switch config.diskCaching {
        case .automatic: .automatic
        case .cached: .cached
        case .uncached: .uncached
        case nil: config.guestOS == .linux ? .cached : .automatic
        }
    }

    /// A disk that goes with its machine need not survive the host's loss of power.
    private var synchronization: VZDiskImageSynchronizationMode {
        switch config.diskSynchronization {
        case .full: .full
        case .fsync: .fsync
        case .some(.none): .none
        case nil: config.keepsDisk ? .full : .fsync
        }
    }

    private func network() throws -> VZNetworkDeviceConfiguration {
        let device = VZVirtioNetworkDeviceConfiguration()
        if let address = VZMACAddress(string: macAddress) { device.macAddress = address }
        switch config.network.mode {
        case .user, .nat: device.attachment = VZNATNetworkDeviceAttachment()
        case .bridged:
            let name = config.network.interface ?? ""
            let all = VZBridgedNetworkInterface.networkInterfaces
            guard let interface = all.first(where: { $0.identifier == name }) else {
                let known = all.map(\.identifier).joined(separator: ", ")
                throw VZEngineError(
                    .invalidArgument,
                    "there is no interface \(name) that a machine can be bridged to: "
                        + (known.isEmpty
                            ? "vm-host lacks the entitlement com.apple.vm.networking, or this Mac has none"
                            : "this Mac has \(known)"))
            }
            device.attachment = VZBridgedNetworkDeviceAttachment(interface: interface)
        }
        return device
    }

    // MARK: What is of a kind of guest

    private func addLinux(to made: VZVirtualMachineConfiguration) throws {
        let platform = VZGenericPlatformConfiguration()
        guard let identifier = VZGenericMachineIdentifier(dataRepresentation: files.identifier) else {
            throw VZEngineError(.badRecord, "the machine's identifier is damaged")
        }
        platform.machineIdentifier = identifier
        if config.nestedVirtualization == true { platform.isNestedVirtualizationEnabled = true }
        made.platform = platform
        made.entropyDevices = [VZVirtioEntropyDeviceConfiguration()]
        made.memoryBalloonDevices = [VZVirtioTraditionalMemoryBalloonDeviceConfiguration()]
        if let display = config.display {
            let graphics = VZVirtioGraphicsDeviceConfiguration()
            graphics.scanouts = [
                VZVirtioGraphicsScanoutConfiguration(widthInPixels: display.width, heightInPixels: display.height)
            ]
            made.graphicsDevices = [graphics]
            made.keyboards = [VZUSBKeyboardConfiguration()]
            made.pointingDevices = [VZUSBScreenCoordinatePointingDeviceConfiguration()]
        }
    }

    private func variableStore(_ path: String?) throws -> VZEFIVariableStore {
        guard let path else { throw VZEngineError(.invalidArgument, "firmware needs a file for its variables") }
        let url = URL(fileURLWithPath: path)
        if FileManager.default.fileExists(atPath: path) { return VZEFIVariableStore(url: url) }
        return try VZEFIVariableStore(creatingVariableStoreAt: url)
    }

    /// No microphone and no sound: the first asks the person at the Mac for permission, and neither can be saved, as
    /// devices for entropy and generic keyboards cannot. A balloon has no driver in macOS.
    private func addMac(to made: VZVirtualMachineConfiguration, model: String, storage: String) throws {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        guard
            let hardware = VZMacHardwareModel(dataRepresentation: try MachineFiles.read(model, "the hardware model"))
        else { throw VZEngineError(.badRecord, "\(model) is no hardware model of a Mac") }
        guard hardware.isSupported else {
            throw VZEngineError(
                .invalidArgument,
                "this Mac cannot be the model that the image needs (\(model)): update macOS on the host, or take an "
                    + "image of an older one")
        }
        guard let identifier = VZMacMachineIdentifier(dataRepresentation: files.identifier) else {
            throw VZEngineError(.badRecord, "the machine's identifier is damaged")
        }
        let platform = VZMacPlatformConfiguration()
        platform.hardwareModel = hardware
        platform.machineIdentifier = identifier
        platform.auxiliaryStorage = VZMacAuxiliaryStorage(url: URL(fileURLWithPath: storage))
        made.platform = platform
        made.bootLoader = VZMacOSBootLoader()
        let display = config.display ?? MachineConfig.Display(width: 1920, height: 1200, pixelsPerInch: 80)
        let graphics = VZMacGraphicsDeviceConfiguration()
        graphics.displays = [
            VZMacGraphicsDisplayConfiguration(
                widthInPixels: display.width, heightInPixels: display.height, pixelsPerInch: display.pixelsPerInch)
        ]
        made.graphicsDevices = [graphics]
        made.keyboards = [VZMacKeyboardConfiguration()]
        made.pointingDevices = [VZMacTrackpadConfiguration()]
        #else
        throw VZEngineError(.unsupported, "macOS guests need a Mac with Apple silicon")
        #endif
    }
}
