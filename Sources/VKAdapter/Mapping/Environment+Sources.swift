import KubeAPI

extension Environment {
    /// The value of a field of the pod (the downward API); `nil` for a path it does not offer.
    static func field(_ path: String, _ pod: Pod, podIPs: [String], _ context: MappingContext) -> String? {
        let ips = podIPs.isEmpty && pod.spec.hostNetwork ? context.hostIPs : podIPs
        switch path {
        case "metadata.name": return pod.metadata.name
        case "metadata.namespace": return pod.metadata.namespace
        case "metadata.uid": return pod.metadata.uid
        case "spec.nodeName": return pod.spec.nodeName.isEmpty ? context.nodeName : pod.spec.nodeName
        case "spec.serviceAccountName": return pod.spec.serviceAccountName
        case "status.hostIP": return context.hostIPs.first ?? ""
        case "status.hostIPs": return context.hostIPs.joined(separator: ",")
        case "status.podIP": return ips.first ?? ""
        case "status.podIPs": return ips.joined(separator: ",")
        default: break
        }
        for (prefix, map) in [
            ("metadata.labels", pod.metadata.labels), ("metadata.annotations", pod.metadata.annotations),
        ]
        where path.hasPrefix(prefix) {
            let rest = path.dropFirst(prefix.count)
            for quote in ["'", "\""] where rest.hasPrefix("[\(quote)") && rest.hasSuffix("\(quote)]") && rest.count > 4
            {
                return map[String(rest.dropFirst(2).dropLast(2))] ?? ""
            }
        }
        return nil
    }

    /// A limit or request of a container, in units of the divisor and rounded up; `nil` for an unknown resource.
    static func resource(
        _ reference: ResourceFieldSelector, _ pod: Pod, _ container: Container, _ context: MappingContext
    ) -> String? {
        let name = reference.containerName
        let all = pod.spec.containers + pod.spec.initContainers
        guard let owner = name.isEmpty ? container : all.first(where: { $0.name == name }) else { return nil }
        let parts = reference.resource.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2,
            ["cpu", "memory", "ephemeral-storage"].contains(parts[1]) || parts[1].hasPrefix("hugepages-")
        else { return nil }
        let amount: Quantity
        switch parts[0] {
        case "limits": amount = owner.resources.limits[parts[1]] ?? context.allocatable[parts[1]] ?? Quantity(value: 0)
        case "requests": amount = owner.resources.requests[parts[1]] ?? Quantity(value: 0)
        default: return nil
        }
        let divisor = reference.divisor.flatMap { $0.milliValue == 0 ? nil : $0 } ?? Quantity(value: 1)
        let (quotient, rest) =
            parts[1] == "cpu"
            ? amount.milliValue.quotientAndRemainder(dividingBy: divisor.milliValue)
            : amount.value.quotientAndRemainder(dividingBy: max(1, divisor.value))
        return String(rest > 0 ? quotient + 1 : quotient)
    }

    /// The value of a key; `nil` when it is optional and not there.
    static func key(
        _ reference: KeySelector, _ kind: String, _ objects: [String: [String: [UInt8]]]?, _ pod: Pod,
        _ container: Container, _ variable: EnvVar
    ) throws(AdapterError) -> [UInt8]? {
        if let value = objects?[reference.name]?[reference.key] { return value }
        if reference.optional == true { return nil }
        let place = "container \(container.name), variable \(variable.name)"
        guard let objects else { throw noServer(kind.lowercased(), reference.name, place) }
        guard objects[reference.name] != nil else {
            throw AdapterError(.notFound, "\(kind.lowercased()) \"\(reference.name)\" not found")
        }
        throw AdapterError(
            .notFound,
            "couldn't find key \(reference.key) in \(kind) \(pod.metadata.namespace)/\(reference.name)")
    }

    /// All keys of a ConfigMap or Secret, sorted by name, and those that cannot be names of variables.
    static func all(_ source: EnvFromSource, _ pod: Pod, _ container: Container, _ context: MappingContext)
        throws(AdapterError) -> (values: [(name: String, value: [UInt8])], invalid: (object: String, keys: [String])?)
    {
        let kind: String
        let reference: EnvFromSource.Reference
        let objects: [String: [String: [UInt8]]]?
        if let map = source.configMapRef {
            (kind, reference, objects) = ("configMap", map, context.objects?.configMaps)
        } else if let secret = source.secretRef {
            (kind, reference, objects) = ("secret", secret, context.objects?.secrets)
        } else {
            return ([], nil)
        }
        if let keys = objects?[reference.name] {
            let all = keys.sorted { $0.key < $1.key }
            let invalid = all.map(\.key).filter { !isVariableName(source.prefix + $0) }
            return (
                all.filter { isVariableName(source.prefix + $0.key) }.map { (source.prefix + $0.key, $0.value) },
                invalid.isEmpty ? nil : ("\(kind) \(pod.metadata.namespace)/\(reference.name)", invalid)
            )
        }
        if reference.optional == true { return ([], nil) }
        let name = kind.lowercased()
        if objects == nil { throw noServer(name, reference.name, "container \(container.name), envFrom") }
        throw AdapterError(.notFound, "\(name) \"\(reference.name)\" not found")
    }

    /// Printable ASCII but `=` (`IsRelaxedEnvVarName`).
    static func isVariableName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }
    }

    private static func noServer(_ kind: String, _ name: String, _ place: String) -> AdapterError {
        AdapterError(
            .invalidArgument,
            "\(place): \(kind) \"\(name)\" needs an API server, and there is none in standalone mode; write the value "
                + "into the manifest")
    }
}
