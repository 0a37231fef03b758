import Foundation
import Support
import Testing

/// What a machine may leave on its host, past the programs under test.
struct Leftovers: Sendable {
    private var interfaces: Set<String>
    private var rules: Set<String>
    private var mounts: Set<String>

    static func look() async throws -> Leftovers {
        async let links = ChildProcess.run("/bin/sh", ["-c", "ip -o link | cut -d: -f2 | tr -d ' '"])
        async let rules = ChildProcess.run(
            "/bin/sh", ["-c", "PATH=$PATH:/usr/sbin:/sbin; iptables-save 2>/dev/null | grep -i vzcri || true"])
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        return Leftovers(
            interfaces: lines(try await links.output), rules: lines(try await rules.output),
            mounts: Set(
                mounts.split(separator: "\n").compactMap {
                    $0.split(separator: " ").dropFirst(4).first.map(String.init)
                }))
    }

    private static func lines(_ text: String) -> Set<String> { Set(text.split(separator: "\n").map(String.init)) }

    /// Processes that name the directory on their command line.
    static func processes(below directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard Int(name) != nil, let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else {
                return nil
            }
            let text = String(decoding: line, as: UTF8.self).replacing("\0", with: " ")
            return text.contains(directory) ? "\(name) \(text)" : nil
        }
    }

    /// Records an issue for everything of a shim below `directory` that is left though its pods are removed and it has
    /// ended. What other tests made meanwhile is not its.
    static func expectNone(
        below directory: String, since before: Leftovers, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("no process is left", sourceLocation: sourceLocation) {
            try processes(below: directory).isEmpty
        }
        #expect(try processes(below: directory) == [], sourceLocation: sourceLocation)
        let mounts = try await look().mounts.filter { $0.hasPrefix(directory) }
        #expect(mounts.isEmpty, sourceLocation: sourceLocation)
        for place in ["machines", "sandboxes", "containers", "run/m", "run/netns"] {
            let path = "\(directory)/state/\(place)"
            let left = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            #expect(left.isEmpty, "\(place)", sourceLocation: sourceLocation)
        }
    }

    /// The interfaces a shim made: they are named after its instance.
    func interfaces(of shim: ShimProcess) throws -> Set<String> {
        let instance = try String(contentsOfFile: shim.directory + "/state/instance", encoding: .utf8)
        return interfaces.filter { $0 == "vzcri\(instance.prefix(8))" || $0.hasPrefix("v\(instance.prefix(6))") }
    }
}
