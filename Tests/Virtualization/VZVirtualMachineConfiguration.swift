public import Foundation

open class VZVirtualMachineConfiguration: NSObject {
    public override init() {}
    open var bootLoader: VZBootLoader?
    open var memorySize: UInt64 = 0
    open var cpuCount = 1
    open var platform: VZPlatformConfiguration = VZGenericPlatformConfiguration()
    open var audioDevices: [VZAudioDeviceConfiguration] = []
    open var consoleDevices: [VZConsoleDeviceConfiguration] = []
    open var directorySharingDevices: [VZDirectorySharingDeviceConfiguration] = []
    open var entropyDevices: [VZEntropyDeviceConfiguration] = []
    open var memoryBalloonDevices: [VZMemoryBalloonDeviceConfiguration] = []
    open var networkDevices: [VZNetworkDeviceConfiguration] = []
    open var serialPorts: [VZSerialPortConfiguration] = []
    open var socketDevices: [VZSocketDeviceConfiguration] = []
    open var storageDevices: [VZStorageDeviceConfiguration] = []
    open var keyboards: [VZKeyboardConfiguration] = []
    open var pointingDevices: [VZPointingDeviceConfiguration] = []
    open var graphicsDevices: [VZGraphicsDeviceConfiguration] = []
    open var usbControllers: [VZUSBControllerConfiguration] = []

    public class var minimumAllowedMemorySize: UInt64 { 4 << 20 }
    public class var maximumAllowedMemorySize: UInt64 { 64 << 30 }
    public class var minimumAllowedCPUCount: Int { 1 }
    public class var maximumAllowedCPUCount: Int { 16 }

    open func validate() throws {
        guard let bootLoader else { throw VZError.invalid("The boot loader is invalid.") }
        guard cpuCount >= Self.minimumAllowedCPUCount, cpuCount <= Self.maximumAllowedCPUCount else {
            throw VZError.invalid("The number of virtual CPUs is out of range.")
        }
        guard memorySize >= Self.minimumAllowedMemorySize, memorySize <= Self.maximumAllowedMemorySize,
            memorySize % (1 << 20) == 0
        else { throw VZError.invalid("The memory size is out of range or no multiple of 1 megabyte.") }
        try validatePlatform(bootLoader)
        try validateDevices()
    }

    private func validatePlatform(_ bootLoader: VZBootLoader) throws {
        if let mac = platform as? VZMacPlatformConfiguration {
            guard bootLoader is VZMacOSBootLoader else {
                throw VZError.invalid("A Mac platform needs the macOS boot loader.")
            }
            guard let storage = mac.auxiliaryStorage, FileManager.default.fileExists(atPath: storage.url.path) else {
                throw VZError.invalid("The auxiliary storage is missing.")
            }
            guard mac.hardwareModel.isSupported, mac.hardwareModel.dataRepresentation != Data("model:none".utf8) else {
                throw VZError.invalid("The hardware model is not supported.")
            }
            guard memorySize >= 4 << 30, !graphicsDevices.isEmpty, !storageDevices.isEmpty else {
                throw VZError.invalid("macOS needs memory, a display and a disk.")
            }
        } else {
            guard !(bootLoader is VZMacOSBootLoader) else {
                throw VZError.invalid("The macOS boot loader needs a Mac platform.")
            }
            if let generic = platform as? VZGenericPlatformConfiguration, generic.isNestedVirtualizationEnabled,
                !VZGenericPlatformConfiguration.isNestedVirtualizationSupported
            {
                throw VZError.invalid("Nested virtualization is not supported on this hardware.")
            }
            if let efi = bootLoader as? VZEFIBootLoader, efi.variableStore == nil {
                throw VZError.invalid("The variable store is missing.")
            }
            if let linux = bootLoader as? VZLinuxBootLoader {
                for file in [linux.kernelURL, linux.initialRamdiskURL].compactMap({ $0 })
                where !FileManager.default.isReadableFile(atPath: file.path) {
                    throw VZError.invalid("\(file.path) cannot be read.")
                }
            }
        }
    }

    private func validateDevices() throws {
        var tags: Set<String> = []
        for case let device as VZVirtioFileSystemDeviceConfiguration in directorySharingDevices {
            try VZVirtioFileSystemDeviceConfiguration.validateTag(device.tag)
            guard tags.insert(device.tag).inserted else {
                throw VZError.invalid("The tag \(device.tag) is used more than once.")
            }
            if let share = device.share as? VZMultipleDirectoryShare {
                for name in share.directories.keys { try VZMultipleDirectoryShare.validateName(name) }
            }
        }
        for case let block as VZVirtioBlockDeviceConfiguration in storageDevices {
            try VZVirtioBlockDeviceConfiguration.validateBlockDeviceIdentifier(block.blockDeviceIdentifier)
        }
        for device in networkDevices {
            guard device.attachment != nil, device.macAddress.isUnicastAddress else {
                throw VZError.invalid("A network device needs an attachment and an address of one machine.")
            }
        }
        for port in serialPorts where port.attachment == nil {
            throw VZError.invalid("A serial port needs an attachment.")
        }
        guard memoryBalloonDevices.count <= 1, socketDevices.count <= 1, graphicsDevices.count <= 1 else {
            throw VZError.invalid("Only one device of its kind is supported.")
        }
    }

    /// What cannot be written to a file.
    open func validateSaveRestoreSupport() throws {
        guard audioDevices.isEmpty else { throw VZError(.notSupported, "Audio devices cannot be saved.") }
        guard platform is VZMacPlatformConfiguration else { return }
        guard entropyDevices.isEmpty else { throw VZError(.notSupported, "Entropy devices cannot be saved.") }
        guard keyboards.allSatisfy({ $0 is VZMacKeyboardConfiguration }),
            pointingDevices.allSatisfy({ $0 is VZMacTrackpadConfiguration })
        else { throw VZError(.notSupported, "Generic USB keyboards and pointing devices cannot be saved.") }
    }
}
