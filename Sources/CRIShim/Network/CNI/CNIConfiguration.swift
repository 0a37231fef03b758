import FoundationEssentials

/// A list of plugins that connect a pod one after the other (CNI specification, "Network configuration format").
struct CNIConfiguration: Codable, Sendable, Hashable {
    var cniVersion: String
    var name: String
    var plugins: [JSONValue]

    /// Whether one of the plugins takes port mappings.
    var canMapPorts: Bool { plugins.contains { $0["capabilities"]?["portMappings"]?.isTrue == true } }

    /// The first valid configuration of a directory, by name; nil when there is none. Files that are none are reported to
    /// `skipped`. Blocks.
    static func first(in directory: String, skipped: (String, any Error) -> Void) throws -> CNIConfiguration? {
        let names = try RootDirectory.entries(of: directory).sorted().filter { name in
            [".conflist", ".conf", ".json"].contains { name.hasSuffix($0) }
        }
        for name in names {
            let path = directory + "/" + name
            guard let bytes = try RootDirectory.read(path) else { continue }
            do {
                return try parse(bytes, isList: name.hasSuffix(".conflist"))
            } catch {
                skipped(path, error)
            }
        }
        return nil
    }

    /// - Parameter isList: a list of plugins; else one plugin by itself.
    static func parse(_ bytes: [UInt8], isList: Bool) throws -> CNIConfiguration {
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        guard let name = value["name"]?.string, !name.isEmpty else {
            throw ShimError(.invalidArgument, "the CNI configuration has no name")
        }
        // A file by another name may hold a list too.
        let plugins = value["plugins"]?.elements ?? (isList ? [] : [value])
        guard !plugins.isEmpty else {
            throw ShimError(.invalidArgument, "the CNI configuration \(name) has no plugins")
        }
        for plugin in plugins {
            guard let type = plugin["type"]?.string, !type.isEmpty, !type.contains("/") else {
                throw ShimError(
                    .invalidArgument, "a plugin of the CNI configuration \(name) names no program as its type")
            }
        }
        return CNIConfiguration(cniVersion: value["cniVersion"]?.string ?? "0.2.0", name: name, plugins: plugins)
    }
}

/// A pod that plugins connected: what they were given, and what they answered. Kept so that DEL gets what ADD got.
struct CNIAttachment: Codable, Sendable, Hashable {
    var configuration: CNIConfiguration
    var podName: String
    var podNamespace: String
    var podUID: String
    var ports: [PodNetwork.Port] = []
    var dns: SandboxRecord.DNS?
    /// The last plugin's; nil until all have succeeded.
    var result: JSONValue?

    init(configuration: CNIConfiguration, pod: SandboxRecord) {
        self.configuration = configuration
        podName = pod.metadata.name
        podNamespace = pod.metadata.namespace
        podUID = pod.metadata.uid
        dns = pod.dns
    }
}
