import KubeAPI

/// The environment of a container: sources read, references resolved, `$(VAR)` expanded.
struct Environment: Sendable {
    struct Variable: Sendable, Hashable {
        var name: String
        var value: [UInt8]
        var text: String { String(decoding: value, as: UTF8.self) }
    }

    /// In the order they are given; the last of a name counts.
    private(set) var variables: [Variable] = []
    private var known: [String: String] = [:]
    /// Keys that cannot be the names of variables, by the object they are in: they are left out.
    private(set) var skipped: [(object: String, keys: [String])] = []

    /// - Throws: when a reference cannot be resolved; the kubelet reports it as `CreateContainerConfigError`.
    init(_ pod: Pod, _ container: Container, podIPs: [String], _ context: MappingContext) throws(AdapterError) {
        let services = context.objects?.services ?? []
        // Every other variable may name one of them, and takes its place where the names are the same.
        for service in services { known[service.name] = service.value }
        for source in container.envFrom {
            let (values, invalid) = try Self.all(source, pod, container, context)
            for (name, value) in values { set(name, bytes: value) }
            if let invalid { skipped.append(invalid) }
        }
        for variable in container.env {
            guard let source = variable.valueFrom else {
                set(variable.name, expand(variable.value))
                continue
            }
            if let reference = source.fieldRef {
                guard let value = Self.field(reference.fieldPath, pod, podIPs: podIPs, context) else {
                    throw Self.failure(
                        container, variable, "the field path \"\(reference.fieldPath)\" is not supported")
                }
                set(variable.name, value)
            } else if let reference = source.resourceFieldRef {
                guard let value = Self.resource(reference, pod, container, context) else {
                    throw Self.failure(container, variable, "the resource \"\(reference.resource)\" is not supported")
                }
                set(variable.name, value)
            } else if let reference = source.configMapKeyRef {
                let maps = context.objects.map(\.configMaps)
                let value = try Self.key(reference, "ConfigMap", maps, pod, container, variable)
                if let value { set(variable.name, bytes: value) }
            } else if let reference = source.secretKeyRef {
                let secrets = context.objects.map(\.secrets)
                let value = try Self.key(reference, "Secret", secrets, pod, container, variable)
                if let value { set(variable.name, bytes: value) }
            } else {
                let kind = source.unknownFields.first?.name ?? "nothing"
                throw Self.failure(container, variable, "a value from \(kind) is not supported")
            }
        }
        let given = Set(variables.map(\.name))
        for service in services where !given.contains(service.name) { set(service.name, service.value) }
    }

    private mutating func set(_ name: String, _ value: String) { set(name, bytes: Array(value.utf8)) }

    private mutating func set(_ name: String, bytes: [UInt8]) {
        variables.append(Variable(name: name, value: bytes))
        known[name] = String(decoding: bytes, as: UTF8.self)
    }

    private static func failure(_ container: Container, _ variable: EnvVar, _ reason: String) -> AdapterError {
        AdapterError(.invalidArgument, "container \(container.name), variable \(variable.name): \(reason)")
    }

    /// `$(VAR)` becomes the variable's value, `$$` a dollar; an unknown variable stays as it is written.
    func expand(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        return Self.expand(text) { known[$0] ?? "$(\($0))" }
    }

    /// Like ``expand(_:)``, but `nil` when a variable is unknown.
    func strictlyExpand(_ text: String) -> String? {
        var missing = false
        let result = Self.expand(text) { name in
            if known[name] == nil { missing = true }
            return known[name] ?? ""
        }
        return missing ? nil : result
    }

    private static func expand(_ text: String, _ lookup: (String) -> String) -> String {
        let input = Array(text.utf8)
        var output: [UInt8] = []
        let dollar = UInt8(ascii: "$")
        var index = 0
        while index < input.count {
            guard input[index] == dollar, index + 1 < input.count else {
                output.append(input[index])
                index += 1
                continue
            }
            let next = input[index + 1]
            if next == dollar {
                output.append(dollar)
                index += 2
            } else if next == UInt8(ascii: "("), let end = input[index...].firstIndex(of: UInt8(ascii: ")")) {
                output.append(contentsOf: lookup(String(decoding: input[index + 2..<end], as: UTF8.self)).utf8)
                index = end + 1
            } else {
                output += [dollar, next]
                index += 2
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
