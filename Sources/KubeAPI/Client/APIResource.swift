/// An object the API server keeps: it has a name and a version.
public protocol KubeObject: KubeModel {
    var metadata: ObjectMeta { get set }
}

extension Pod: KubeObject {}

/// A kind of object, and where the API has it.
public struct APIResource<Object: KubeObject>: Sendable, Hashable {
    /// Empty for the core group.
    public let group: String
    public let version: String
    /// As in the path: `pods`.
    public let plural: String
    public let isNamespaced: Bool

    public init(group: String = "", version: String = "v1", plural: String, isNamespaced: Bool = true) {
        self.group = group
        self.version = version
        self.plural = plural
        self.isNamespaced = isNamespaced
    }

    /// - Parameters:
    ///   - namespace: `nil` for all namespaces, and for what has none.
    ///   - name: `nil` for the collection.
    ///   - subresource: as `status`.
    func path(namespace: String? = nil, name: String? = nil, subresource: String? = nil) -> String {
        var parts = group.isEmpty ? ["api", version] : ["apis", group, version]
        if let namespace, isNamespaced { parts += ["namespaces", namespace] }
        parts.append(plural)
        if let name { parts.append(name) }
        if let subresource { parts.append(subresource) }
        return "/" + parts.map(APIPath.escaped).joined(separator: "/")
    }
}

/// Parts of a request's target.
enum APIPath {
    /// Percent-encodes everything that is not unreserved (RFC 3986 section 2.3).
    static func escaped(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return out
    }

    static func query(_ items: [(name: String, value: String)]) -> String {
        items.isEmpty ? "" : "?" + items.map { "\(escaped($0.name))=\(escaped($0.value))" }.joined(separator: "&")
    }
}
