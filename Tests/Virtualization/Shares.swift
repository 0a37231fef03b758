import Dispatch
public import Foundation

open class VZSharedDirectory: NSObject {
    public let url: URL
    public let isReadOnly: Bool
    public init(url: URL, readOnly: Bool) {
        self.url = url
        isReadOnly = readOnly
    }
}

open class VZDirectoryShare: NSObject {}

open class VZSingleDirectoryShare: VZDirectoryShare {
    public let directory: VZSharedDirectory
    public init(directory: VZSharedDirectory) { self.directory = directory }
}

open class VZMultipleDirectoryShare: VZDirectoryShare {
    public let directories: [String: VZSharedDirectory]
    public override convenience init() { self.init(directories: [:]) }
    public init(directories: [String: VZSharedDirectory]) { self.directories = directories }
    public class func validateName(_ name: String) throws {
        guard !name.isEmpty, name != ".", name != "..", !name.contains("/"), name.utf8.count <= 255 else {
            throw VZError.invalid("\(name) is no name for a shared directory.")
        }
    }
    public class func canonicalizedName(from name: String) -> String? {
        let name = name.replacingOccurrences(of: "/", with: ":")
        return name.isEmpty ? nil : name
    }
}

open class VZDirectorySharingDeviceConfiguration: NSObject {}

open class VZVirtioFileSystemDeviceConfiguration: VZDirectorySharingDeviceConfiguration {
    open var tag: String
    open var share: VZDirectoryShare?
    public init(tag: String) { self.tag = tag }
    public class func validateTag(_ tag: String) throws {
        guard !tag.isEmpty, tag.utf8.count < 36 else { throw VZError.invalid("The tag \(tag) is invalid.") }
    }
    public class var macOSGuestAutomountTag: String { "com.apple.virtio-fs.automount" }
}

open class VZDirectorySharingDevice: NSObject {}

/// Its share may be another one while the machine runs.
open class VZVirtioFileSystemDevice: VZDirectorySharingDevice {
    public let tag: String
    private let queue: DispatchQueue
    private var current: VZDirectoryShare?
    var replaced: ((VZVirtioFileSystemDevice) -> Void)?

    init(_ configuration: VZVirtioFileSystemDeviceConfiguration, _ queue: DispatchQueue) {
        tag = configuration.tag
        current = configuration.share
        self.queue = queue
    }

    open var share: VZDirectoryShare? {
        get {
            dispatchPrecondition(condition: .onQueue(queue))
            return current
        }
        set {
            dispatchPrecondition(condition: .onQueue(queue))
            current = newValue
            replaced?(self)
        }
    }

    /// What is behind it. On the machine's queue.
    var simulated: SimulatedHardware.Share? {
        (current as? VZSingleDirectoryShare).map {
            SimulatedHardware.Share(path: $0.directory.url.path, isReadOnly: $0.directory.isReadOnly)
        }
    }
}
