public import Foundation

// Spelled as Apple's module spells them in Swift; only what the engine uses, and what belongs to its rules.

open class VZPlatformConfiguration: NSObject {}

open class VZGenericMachineIdentifier: NSObject {
    public let dataRepresentation: Data
    public override init() { dataRepresentation = Data(UUID().uuidString.utf8) }
    public init?(dataRepresentation: Data) {
        guard !dataRepresentation.isEmpty else { return nil }
        self.dataRepresentation = dataRepresentation
    }
}

open class VZGenericPlatformConfiguration: VZPlatformConfiguration {
    public override init() {}
    open var machineIdentifier = VZGenericMachineIdentifier()
    /// An M3 has it, an M1 has not: these machines have it when the first of their simulated Macs says so.
    public class var isNestedVirtualizationSupported: Bool { SimulatedMac.nestedVirtualizationIsSupported }
    open var isNestedVirtualizationEnabled = false
}

open class VZMacHardwareModel: NSObject {
    public let dataRepresentation: Data
    /// Apple's is a property list, which begins so; anything else is refused.
    public init?(dataRepresentation: Data) {
        guard dataRepresentation.starts(with: Data("model:".utf8)) else { return nil }
        self.dataRepresentation = dataRepresentation
    }
    open var isSupported: Bool { dataRepresentation != Data("model:future".utf8) }
}

open class VZMacMachineIdentifier: NSObject {
    public let dataRepresentation: Data
    public override init() { dataRepresentation = Data("ecid:\(UUID().uuidString)".utf8) }
    public init?(dataRepresentation: Data) {
        guard dataRepresentation.starts(with: Data("ecid:".utf8)) else { return nil }
        self.dataRepresentation = dataRepresentation
    }
}

open class VZMacAuxiliaryStorage: NSObject {
    public struct InitializationOptions: OptionSet, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }
        public static let allowOverwrite = Self(rawValue: 1)
    }
    public let url: URL
    public init(url: URL) { self.url = url }
    public init(
        creatingStorageAt url: URL, hardwareModel: VZMacHardwareModel, options: InitializationOptions = []
    ) throws {
        guard options.contains(.allowOverwrite) || !FileManager.default.fileExists(atPath: url.path) else {
            throw VZError.invalid("The file exists already.")
        }
        try Data("auxiliary storage".utf8).write(to: url)
        self.url = url
    }
}

open class VZMacPlatformConfiguration: VZPlatformConfiguration {
    public override init() {}
    open var hardwareModel = VZMacHardwareModel(dataRepresentation: Data("model:none".utf8))!
    open var machineIdentifier = VZMacMachineIdentifier()
    open var auxiliaryStorage: VZMacAuxiliaryStorage?
}

// MARK: How a guest is started

open class VZBootLoader: NSObject {}

open class VZMacOSBootLoader: VZBootLoader { public override init() {} }

open class VZLinuxBootLoader: VZBootLoader {
    open var kernelURL: URL
    open var commandLine = ""
    open var initialRamdiskURL: URL?
    public init(kernelURL: URL) { self.kernelURL = kernelURL }
}

open class VZEFIVariableStore: NSObject {
    public struct InitializationOptions: OptionSet, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }
        public static let allowOverwrite = Self(rawValue: 1)
    }
    public let url: URL
    public init(url: URL) { self.url = url }
    public init(creatingVariableStoreAt url: URL, options: InitializationOptions = []) throws {
        guard options.contains(.allowOverwrite) || !FileManager.default.fileExists(atPath: url.path) else {
            throw VZError.invalid("The file exists already.")
        }
        try Data("variables".utf8).write(to: url)
        self.url = url
    }
}

open class VZEFIBootLoader: VZBootLoader {
    public override init() {}
    open var variableStore: VZEFIVariableStore?
}
