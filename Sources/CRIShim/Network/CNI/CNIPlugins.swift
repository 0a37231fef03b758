import FoundationEssentials
import Logging
import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Runs CNI plugins: programs that are given a verb by environment variables, a configuration on stdin, and answer on
/// stdout (CNI specification 0.2 to 1.1).
struct CNIPlugins: Sendable {
    /// A directory; looked into at every pod, as network add-ons come and go.
    let configurations: String
    let binaries: String
    let logger: Logger

    /// For one plugin: some wait for an agent.
    static let deadline = Duration.seconds(60)
    static let device = "eth0"

    /// nil when there is no configuration.
    func load() async throws -> CNIConfiguration? {
        guard !configurations.isEmpty else { return nil }
        return try await RootDirectory.offload { [self] in
            try CNIConfiguration.first(in: configurations) { path, error in
                logger.warning("skipped a CNI configuration", metadata: ["file": "\(path)", "error": "\(error)"])
            }
        }
    }

    /// - Returns: the last plugin's result.
    func add(_ attachment: CNIAttachment, sandbox: String, namespace: String) async throws -> JSONValue {
        var result: JSONValue?
        for plugin in attachment.configuration.plugins {
            let answer = try await run("ADD", plugin, attachment, result, sandbox: sandbox, namespace: namespace)
            result = answer ?? result
        }
        return result ?? .object([:])
    }

    /// In the opposite order. All are tried; the first error is thrown then.
    func delete(_ attachment: CNIAttachment, sandbox: String, namespace: String) async throws {
        var failure: (any Error)?
        for plugin in attachment.configuration.plugins.reversed() {
            // A plugin that is not there failed ADD before it ran: nothing to undo.
            let isMissing = (try? Self.find(plugin["type"]?.string ?? "", in: binaries)) == nil
            if isMissing, attachment.result == nil { continue }
            do {
                _ = try await run("DEL", plugin, attachment, attachment.result, sandbox: sandbox, namespace: namespace)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private func run(
        _ verb: String, _ plugin: JSONValue, _ attachment: CNIAttachment, _ previous: JSONValue?, sandbox: String,
        namespace: String
    ) async throws -> JSONValue? {
        let type = plugin["type"]?.string ?? ""
        let input = Self.input(plugin, attachment, previous)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var environment = [
            "CNI_COMMAND": verb, "CNI_CONTAINERID": sandbox, "CNI_NETNS": namespace, "CNI_IFNAME": Self.device,
            "CNI_PATH": binaries,
            "CNI_ARGS":
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=\(Self.argument(attachment.podNamespace));"
                + "K8S_POD_NAME=\(Self.argument(attachment.podName));K8S_POD_INFRA_CONTAINER_ID=\(sandbox);"
                + "K8S_POD_UID=\(Self.argument(attachment.podUID))",
        ]
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        environment["PATH"] = path + ":/usr/sbin:/sbin"
        let program = try Self.find(type, in: binaries)
        let result = try await Command.run(
            program, [], input: Array(try encoder.encode(input)), environment: environment, deadline: Self.deadline)
        let what = "CNI plugin \(type) (\(verb), configuration \(attachment.configuration.name))"
        guard result.end.isSuccess else { throw ShimError(.failed, "\(what): \(Self.complaint(result))") }
        guard verb == "ADD", result.output.contains(where: { $0 > 32 }) else { return nil }
        do {
            return try JSONDecoder().decode(JSONValue.self, from: Data(result.output))
        } catch {
            throw ShimError(.failed, "\(what): its answer is not JSON", cause: error)
        }
    }

    /// Names that Kubernetes checked have neither separator; others must not add arguments of their own.
    private static func argument(_ text: String) -> String { text.filter { $0 != ";" && $0 != "=" } }

    static func find(_ type: String, in directories: String) throws -> String {
        for directory in directories.split(separator: ":") {
            let candidate = "\(directory)/\(type)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw ShimError(
            .failed, "there is no CNI plugin \(type) in \(directories): install it, or name its directory by cniBinDir")
    }

    static func input(_ plugin: JSONValue, _ attachment: CNIAttachment, _ previous: JSONValue?) -> JSONValue {
        var input = plugin
        input["cniVersion"] = .string(attachment.configuration.cniVersion)
        input["name"] = .string(attachment.configuration.name)
        var runtime: [String: JSONValue] = [:]
        let capabilities = plugin["capabilities"]
        if capabilities?["portMappings"]?.isTrue == true, !attachment.ports.isEmpty {
            runtime["portMappings"] = .array(
                attachment.ports.map { port in
                    var mapping: [String: JSONValue] = [
                        "hostPort": .integer(Int64(port.hostPort)), "containerPort": .integer(Int64(port.podPort)),
                        "protocol": .string(port.transport.rawValue),
                    ]
                    mapping["hostIP"] = port.hostAddress.map { .string($0.description) }
                    return .object(mapping)
                })
        }
        if capabilities?["dns"]?.isTrue == true, let dns = attachment.dns {
            runtime["dns"] = .object([
                "servers": .array(dns.servers.map(JSONValue.string)),
                "searches": .array(dns.searches.map(JSONValue.string)),
                "options": .array(dns.options.map(JSONValue.string)),
            ])
        }
        input["capabilities"] = nil
        if !runtime.isEmpty { input["runtimeConfig"] = .object(runtime) }
        if let previous { input["prevResult"] = previous }
        return input
    }

    /// The pod's addresses, without their prefix lengths.
    static func addresses(in result: JSONValue) -> [String] {
        func bare(_ text: String) -> String { String(text.prefix { $0 != "/" }) }
        guard let list = result["ips"]?.elements else {
            // Before 0.3.
            return ["ip4", "ip6"].compactMap { result[$0]?["ip"]?.string.map(bare) }
        }
        let interfaces = result["interfaces"]?.elements ?? []
        return list.compactMap { address in
            if let index = address["interface"]?.integer, interfaces.indices.contains(Int(index)),
                interfaces[Int(index)]["sandbox"]?.string?.isEmpty ?? true
            {
                return nil  // of a device on the host
            }
            return address["address"]?.string.map(bare)
        }
    }

    private static func complaint(_ result: CommandResult) -> String {
        if let error = try? JSONDecoder().decode(JSONValue.self, from: Data(result.output)),
            let message = error["msg"]?.string
        {
            let details = error["details"]?.string ?? ""
            return details.isEmpty ? message : "\(message): \(details)"
        }
        let said = result.errorOutput.isEmpty ? result.text : result.errorText
        return said.split(separator: "\n").joined(separator: "; ") + " (\(result.end))"
    }
}
