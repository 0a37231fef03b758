import Foundation
import Support
import Testing

/// OpenSSH's server in namespaces of its own (processes, mounts, host name), as a guest's would be: it dies with all that
/// runs in it.
final class SSHServer: Sendable {
    let port: Int
    let keyFile: String
    private let process: ChildProcess

    /// In CI it must be there; elsewhere a test without it is skipped.
    static let canRun =
        ProcessInfo.processInfo.environment["CI"] == "true"
        || getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/sbin/sshd")

    /// - Parameter preparing: a script that is run in its namespaces before it starts.
    static func with(preparing: String = "", _ body: (SSHServer, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let server = try await start(directory, preparing)
            do {
                try await body(server, directory)
            } catch {
                await server.kill()
                throw error
            }
            await server.kill()
        }
    }

    private static func start(_ directory: String, _ preparing: String) async throws -> SSHServer {
        for name in ["host", "client"] {
            let outcome = try await ChildProcess.run(
                "/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "\(directory)/\(name)"])
            try #require(outcome.code == 0, "\(outcome.errors)")
        }
        // A port that was free a moment ago may be another's by now.
        for _ in 0..<10 {
            let server = try serve(directory, port: .random(in: 20000..<32000), preparing)
            try await eventually("sshd listens, or has ended") {
                server.process.errors.contains("Server listening") || !server.process.isRunning
            }
            if server.process.isRunning { return server }
        }
        throw ServerFailure()
    }

    private struct ServerFailure: Error {}

    private static func serve(_ directory: String, port: Int, _ preparing: String) throws -> SSHServer {
        let config = """
            Port \(port)
            ListenAddress 127.0.0.1
            HostKey \(directory)/host
            AuthorizedKeysFile \(directory)/client.pub
            PidFile none
            StrictModes no
            PermitRootLogin yes
            UsePAM no
            SetEnv SHLVL=5

            """
        try config.write(toFile: directory + "/sshd_config", atomically: true, encoding: .utf8)
        let script = """
            rm -rf \(directory)/etc; cp -a /etc \(directory)/etc && mount -o bind \(directory)/etc /etc || exit 90
            mount -t tmpfs none /run && mkdir /run/sshd && mount -t tmpfs none /var/lib || exit 91
            # Whatever this host's kernel knows: nobody serves directories here.
            grep -v virtiofs /proc/filesystems > \(directory)/filesystems
            mount -o bind \(directory)/filesystems /proc/filesystems || exit 92
            \(preparing)
            exec /usr/sbin/sshd -D -e -f \(directory)/sshd_config
            """
        let process = try ChildProcess(
            "/usr/bin/unshare",
            [
                "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private",
                "/bin/sh", "-c", script,
            ])
        return SSHServer(port: port, keyFile: directory + "/client", process)
    }

    private init(port: Int, keyFile: String, _ process: ChildProcess) {
        self.port = port
        self.keyFile = keyFile
        self.process = process
    }

    /// As when a computer loses power.
    func cutPower() { process.send(SIGKILL) }

    private func kill() async {
        cutPower()
        _ = await process.wait()
    }
}
