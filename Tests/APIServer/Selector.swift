import KubeAPI

/// Which objects a list or watch is about.
struct Selector: Sendable {
    private struct Requirement: Sendable {
        var path: [String]
        var value: String
        var isEqual: Bool
    }
    private var requirements: [Requirement] = []

    static let everything = Selector()
    private init() {}

    /// - Throws: a 400 for fields a real server cannot select by.
    init(fields: String, labels: String, of kind: ResourceKind) throws {
        for (path, value, isEqual) in Self.terms(fields) {
            let known =
                ["metadata.name", "metadata.namespace"]
                + (kind.plural == "pods" ? ["spec.nodeName", "status.phase", "spec.restartPolicy"] : [])
                + (kind.plural == "clustertrustbundles" ? ["spec.signerName"] : [])
            guard known.contains(path) else { throw Refusal.bad("field label not supported: \(path)") }
            requirements.append(
                Requirement(path: path.split(separator: ".").map(String.init), value: value, isEqual: isEqual))
        }
        for (label, value, isEqual) in Self.terms(labels) {
            requirements.append(Requirement(path: ["metadata", "labels", label], value: value, isEqual: isEqual))
        }
    }

    private static func terms(_ text: String) -> [(String, String, Bool)] {
        text.split(separator: ",").compactMap { term in
            let isEqual = !term.contains("!=")
            let parts = term.split(separator: "=", omittingEmptySubsequences: false).filter { !$0.isEmpty || isEqual }
            guard let first = parts.first, let last = parts.last, parts.count > 1 else { return nil }
            return (String(isEqual ? first : first.hasSuffix("!") ? first.dropLast() : first), String(last), isEqual)
        }
    }

    func matches(_ object: Value) -> Bool {
        requirements.allSatisfy { requirement in
            let found = requirement.path.reduce(Optional(object)) { $0?[$1] }?.string ?? ""
            return (found == requirement.value) == requirement.isEqual
        }
    }

    /// Whether it only ever matches this one object.
    func names(_ name: String) -> Bool {
        requirements.contains { $0.path == ["metadata", "name"] && $0.isEqual && $0.value == name }
    }

    /// The value a field must have; `nil` where it may have any.
    func required(_ field: String) -> String? {
        requirements.first { $0.isEqual && $0.path.joined(separator: ".") == field }?.value
    }
}
