import Dispatch
public import Foundation

open class VZMACAddress: NSObject {
    private let bytes: [UInt8]

    public init?(string: String) {
        let parts = string.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.count == 2 ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6, bytes.count == 6 else { return nil }
        self.bytes = bytes
    }

    public class func randomLocallyAdministered() -> VZMACAddress {
        let bytes = (0..<6).map { $0 == 0 ? UInt8.random(in: 0...255) & 0xfc | 2 : UInt8.random(in: 0...255) }
        return VZMACAddress(string: bytes.map { String(format: "%02x", $0) }.joined(separator: ":"))!
    }

    public var string: String { bytes.map { String(format: "%02x", $0) }.joined(separator: ":") }
    open var isBroadcastAddress: Bool { bytes.allSatisfy { $0 == 0xff } }
    open var isMulticastAddress: Bool { bytes[0] & 1 != 0 }
    open var isUnicastAddress: Bool { !isMulticastAddress }
    open var isLocallyAdministeredAddress: Bool { bytes[0] & 2 != 0 }
    open var isUniversallyAdministeredAddress: Bool { !isLocallyAdministeredAddress }
}

open class VZNetworkDeviceAttachment: NSObject {}

open class VZNATNetworkDeviceAttachment: VZNetworkDeviceAttachment { public override init() {} }

open class VZBridgedNetworkInterface: NSObject {
    public let identifier: String
    public let localizedDisplayName: String?
    init(identifier: String, localizedDisplayName: String?) {
        self.identifier = identifier
        self.localizedDisplayName = localizedDisplayName
    }
    public class var networkInterfaces: [VZBridgedNetworkInterface] {
        [
            VZBridgedNetworkInterface(identifier: "en0", localizedDisplayName: "Ethernet"),
            VZBridgedNetworkInterface(identifier: "en1", localizedDisplayName: "Wi-Fi"),
        ]
    }
}

open class VZBridgedNetworkDeviceAttachment: VZNetworkDeviceAttachment {
    public let interface: VZBridgedNetworkInterface
    public init(interface: VZBridgedNetworkInterface) { self.interface = interface }
}

open class VZNetworkDeviceConfiguration: NSObject {
    open var macAddress = VZMACAddress.randomLocallyAdministered()
    open var attachment: VZNetworkDeviceAttachment?
}

open class VZVirtioNetworkDeviceConfiguration: VZNetworkDeviceConfiguration { public override init() {} }

open class VZNetworkDevice: NSObject {
    private let queue: DispatchQueue
    private var current: VZNetworkDeviceAttachment?
    init(_ configuration: VZNetworkDeviceConfiguration, _ queue: DispatchQueue) {
        self.queue = queue
        current = configuration.attachment
    }
    open var attachment: VZNetworkDeviceAttachment? {
        get {
            dispatchPrecondition(condition: .onQueue(queue))
            return current
        }
        set {
            dispatchPrecondition(condition: .onQueue(queue))
            current = newValue
        }
    }
}
