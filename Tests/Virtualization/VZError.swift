public import Foundation

/// As Apple's imported error: a code, and the words of an `NSError` behind it.
public struct VZError: Error, Hashable, Sendable, LocalizedError, CustomStringConvertible {
    public enum Code: Int, Sendable {
        case internalError = 1
        case invalidVirtualMachineConfiguration, invalidVirtualMachineState, invalidVirtualMachineStateTransition
        case invalidDiskImage, virtualMachineLimitExceeded, networkError, outOfDiskSpace, operationCancelled
        case notSupported, save, restore
        case restoreImageCatalogLoadFailed = 10001
        case invalidRestoreImageCatalog, noSupportedRestoreImagesInCatalog, restoreImageLoadFailed
        case invalidRestoreImage, installationRequiresUpdate, installationFailed
        case networkBlockDeviceNegotiationFailed = 20001
        case networkBlockDeviceDisconnected
        case usbControllerNotFound = 30001
        case deviceAlreadyAttached, deviceInitializationFailure, deviceNotFound
    }

    public let code: Code
    private let words: String

    public init(_ code: Code, userInfo: [String: Any] = [:]) {
        self.code = code
        words = userInfo[NSLocalizedDescriptionKey] as? String ?? "VZErrorDomain \(code.rawValue)"
    }

    init(_ code: Code, _ words: String) {
        self.code = code
        self.words = words
    }

    public var errorDescription: String? { words }
    public var description: String { "\(words) (\(code.rawValue))" }

    // Two errors of a kind are equal, whatever their words.
    public static func == (one: VZError, other: VZError) -> Bool { one.code == other.code }
    public func hash(into hasher: inout Hasher) { hasher.combine(code) }

    static func invalid(_ words: String) -> VZError {
        VZError(.invalidVirtualMachineConfiguration, "Invalid virtual machine configuration. \(words)")
    }
}
