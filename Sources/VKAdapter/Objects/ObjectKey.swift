import KubeAPI

/// A ConfigMap or Secret pods use.
struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
    enum Kind: String, Sendable, Hashable {
        case configMap = "configmap"
        case secret
    }
    var kind: Kind
    var namespace: String
    var name: String

    var description: String { "\(kind.rawValue) \(namespace)/\(name)" }
}
