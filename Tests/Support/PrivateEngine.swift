import Foundation

/// An engine this test process starts for itself when `scripts/test` did not: by `scripts/docker-engine`, which stops it
/// when this process has ended.
enum PrivateEngine {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "scripts/docker-engine").path

    /// Whether one can be started: needs root and dockerd.
    static var canStart: Bool {
        geteuid() == 0 && FileManager.default.isExecutableFile(atPath: script)
            && ["/usr/bin", "/usr/sbin", "/usr/local/bin"].contains {
                FileManager.default.isExecutableFile(atPath: $0 + "/dockerd")
            }
    }

    /// Starts one and waits until it answers; the script has a deadline of its own.
    /// - Returns: what it prints, the engine's address.
    static func start() throws -> String {
        let directory = "/tmp/vzt.\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        let child = try ChildProcess(
            script, ["start", directory, "--owner", String(ProcessInfo.processInfo.processIdentifier)])
        let outcome = child.waitBlocking()
        guard outcome.code == 0 else { throw DockerEngine.Missing(description: outcome.errors) }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
