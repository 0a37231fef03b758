public import Foundation

public enum VZDiskImageCachingMode: Int, Sendable {
    case automatic = 0
    case uncached, cached
}

public enum VZDiskImageSynchronizationMode: Int, Sendable {
    case full = 1
    case fsync, none
}

open class VZStorageDeviceAttachment: NSObject {}

open class VZDiskImageStorageDeviceAttachment: VZStorageDeviceAttachment {
    public let url: URL
    public let isReadOnly: Bool
    public let cachingMode: VZDiskImageCachingMode
    public let synchronizationMode: VZDiskImageSynchronizationMode

    public convenience init(url: URL, readOnly: Bool) throws {
        try self.init(url: url, readOnly: readOnly, cachingMode: .automatic, synchronizationMode: .full)
    }

    /// Raw images of whole sectors only, at a path without symbolic links.
    public init(
        url: URL, readOnly: Bool, cachingMode: VZDiskImageCachingMode,
        synchronizationMode: VZDiskImageSynchronizationMode
    ) throws {
        func refuse(_ words: String) -> VZError { VZError(.invalidDiskImage, "Invalid disk image. \(words)") }
        guard let file = FileHandle(forReadingAtPath: url.path) else { throw refuse("It cannot be opened.") }
        defer { try? file.close() }
        guard url.path == url.resolvingSymlinksInPath().path else { throw refuse("Its path has symbolic links.") }
        guard try file.read(upToCount: 4) != Data([0x51, 0x46, 0x49, 0xfb]) else {
            throw refuse("The disk image format is not recognized.")
        }
        let size = try file.seekToEnd()
        guard size > 0, size % 512 == 0 else { throw refuse("Its size is no multiple of 512.") }
        self.url = url
        isReadOnly = readOnly
        self.cachingMode = cachingMode
        self.synchronizationMode = synchronizationMode
    }
}

open class VZStorageDeviceConfiguration: NSObject {
    public let attachment: VZStorageDeviceAttachment
    init(_ attachment: VZStorageDeviceAttachment) { self.attachment = attachment }
}

open class VZVirtioBlockDeviceConfiguration: VZStorageDeviceConfiguration {
    public init(attachment: VZStorageDeviceAttachment) { super.init(attachment) }
    open var blockDeviceIdentifier = ""
    public class func validateBlockDeviceIdentifier(_ blockDeviceIdentifier: String) throws {
        guard blockDeviceIdentifier.utf8.count <= 20, blockDeviceIdentifier.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw VZError.invalid("A block device identifier has 20 ASCII characters at most.")
        }
    }
}
