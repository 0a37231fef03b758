import FoundationEssentials
import Processes

/// The system's view of its network, by its own programs, and changes to it.
enum SystemNetwork {
    /// Every one of these programs ends within milliseconds; on a machine that is out of breath, in seconds.
    static let deadline = Duration.seconds(20)

    struct Route: Decodable, Sendable {
        var dst: String
        var dev: String?
        var isDefault: Bool { dst == "default" }
    }

    /// All IPv4 routes; with those of the addresses themselves.
    static func routes() async throws -> [Route] {
        let text = try await Command.checked("ip", ["-j", "-4", "route", "show", "table", "all"], deadline: deadline)
        guard !text.output.isEmpty else { return [] }
        do {
            return try JSONDecoder().decode([Route].self, from: Data(text.output))
        } catch {
            throw ShimError(.failed, "the list of routes that \"ip -j route\" printed cannot be read", cause: error)
        }
    }

    /// Runs several commands of `ip` in one process; the first that fails ends it.
    static func ip(_ commands: [String], in namespace: String? = nil, force: Bool = false) async throws {
        let input = Array((commands.joined(separator: "\n") + "\n").utf8)
        do {
            try await Command.checked(
                "ip", force ? ["-force", "-batch", "-"] : ["-batch", "-"], input: input, networkNamespace: namespace,
                deadline: deadline)
        } catch let error as ProcessError where error.code == .failed {
            throw ShimError(.failed, "\(commands.joined(separator: "; ")): \(error)", cause: nil)
        }
    }

    static func savedRules() async throws -> String {
        // Nodes with thousands of services have megabytes of rules.
        let result = try await Command.run("iptables-save", [], deadline: deadline, limit: 64 << 20)
        guard result.end.isSuccess else { throw ShimError(.failed, "iptables-save: \(result.errorText)") }
        return result.text
    }

    /// Applies a text of `iptables-restore` without touching what it does not name.
    static func changeRules(_ text: String) async throws {
        guard text.utf8.count <= 65536 else {
            throw ShimError(
                .exhausted,
                "\(text.utf8.count) bytes of packet filter rules are more than can be set: too many host ports")
        }
        var tries = 0
        while true {
            do {
                try await Command.checked(
                    "iptables-restore", ["--noflush", "--wait", "10"], input: Array(text.utf8), deadline: deadline)
                return
            } catch let error as ProcessError where error.code == .failed {
                // Somebody else changed the tables at the same moment.
                tries += 1
                if tries == 3 { throw ShimError(.failed, "setting packet filter rules failed", cause: error) }
            }
        }
    }

    /// Whether there is a network device of this name.
    static func hasDevice(_ name: String) throws -> Bool {
        try RootDirectory.entries(of: "/sys/class/net").contains(name)
    }

    /// The devices on a bridge.
    static func devices(on bridge: String) throws -> [String] {
        try RootDirectory.entries(of: "/sys/class/net/\(bridge)/brif")
    }

    static func mtu(of device: String) throws -> Int? {
        try RootDirectory.read("/sys/class/net/\(device)/mtu").flatMap {
            Int(String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace })
        }
    }
}
