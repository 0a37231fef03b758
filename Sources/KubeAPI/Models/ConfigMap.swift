#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Settings by key (`core/v1`).
public struct ConfigMap: KubeObject {
    public var kind = "ConfigMap"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    /// Text.
    public var data: [String: String] = [:]
    /// Base64.
    public var binaryData: [String: String] = [:]
    /// It never changes again.
    public var immutable: Bool?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("data", \.data)
        $0("binaryData", \.binaryData)
        $0("immutable", \.immutable)
    }

    /// Every key with its bytes.
    public var contents: [String: [UInt8]] {
        binaryData.compactMapValues { Data(base64Encoded: $0).map(Array.init) }
            .merging(data.mapValues { Array($0.utf8) }) { _, text in text }
    }
}

/// What not everybody may know, by key (`core/v1`).
public struct Secret: KubeObject {
    public var kind = "Secret"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var type = ""
    /// Base64.
    public var data: [String: String] = [:]
    /// It never changes again.
    public var immutable: Bool?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("type", \.type)
        $0("data", \.data)
        $0("immutable", \.immutable)
    }

    /// Every key with its bytes.
    public var contents: [String: [UInt8]] { data.compactMapValues { Data(base64Encoded: $0).map(Array.init) } }
}
