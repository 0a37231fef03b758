import Foundation
import GuestSSH
import Logging
import NIOConcurrencyHelpers
import Support
import Testing

/// An OpenSSH server of a test's own: its configuration, keys and port in one directory, for the user who runs the tests.
final class SSHServer: Sendable {
    static let program = "/usr/sbin/sshd"
    static var isInstalled: Bool { access(program, X_OK) == 0 }
    static var isRequired: Bool { ProcessInfo.processInfo.environment["CI"] == "true" }
    static let skipReason: Comment = "skipped, because no OpenSSH server is installed (make deps)"

    let directory: String
    let port: Int
    private let options: String
    private let process: NIOLockedValueBox<Support.ChildProcess?>

    /// - Parameter options: further lines of its configuration.
    init(in directory: String, options: String = "") async throws {
        self.directory = directory
        self.options = options
        port = try FreePort.find()
        process = NIOLockedValueBox(nil)
        for (file, kind) in [("host", "ed25519"), ("host-ecdsa", "ecdsa"), ("user", "ed25519")] {
            try await Self.makeKey("\(directory)/\(file)", kind)
        }
        let keys = try String(contentsOfFile: "\(directory)/user.pub", encoding: .utf8)
        try keys.write(toFile: "\(directory)/authorized_keys", atomically: true, encoding: .utf8)
        try await start()
    }

    static func makeKey(_ path: String, _ kind: String, passphrase: String = "") async throws {
        try? FileManager.default.removeItem(atPath: path)
        let outcome = try await ChildProcess.run(
            "/usr/bin/ssh-keygen", ["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path])
        guard outcome.code == 0 else { throw Failure(description: outcome.errors) }
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Also after ``kill()``.
    func start() async throws {
        let configuration = """
            ListenAddress 127.0.0.1:\(port)
            HostKey \(directory)/host
            HostKey \(directory)/host-ecdsa
            PidFile none
            StrictModes no
            AuthorizedKeysFile \(directory)/authorized_keys
            UsePAM no
            KbdInteractiveAuthentication no
            LogLevel ERROR
            SetEnv SHLVL=5
            \(options)
            """
        let file = "\(directory)/sshd_config"
        try configuration.write(toFile: file, atomically: true, encoding: .utf8)
        // An sshd that root runs wants its directory; who is not root cannot make it, and needs none.
        if getuid() == 0 {
            try? FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        }
        let child = try ChildProcess(Self.program, ["-D", "-e", "-f", file])
        process.withLockedValue { $0 = child }
        for _ in 0..<2000 {
            if FreePort.accepts(port) { return }
            if !child.isRunning { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Failure(description: "sshd did not start: \(child.errors)")
    }

    /// Every process of it: the listener, one or two per connection, and what they run.
    private var tree: [Int32] {
        guard let root = process.withLockedValue({ $0 }), root.isRunning else { return [] }
        return ProcessTable.descendants(of: root.pid)
    }

    /// Ends the server and its connections at once, as a crash of the guest does: none of its processes lives to see, and to
    /// report, how another one ended. They are gone, and so is what they listened on, when it returns.
    func kill() async {
        let all = freeze()
        for id in all { Foundation.kill(id, SIGKILL) }
        _ = await process.withLockedValue { $0 }?.wait()
        while !ProcessTable.alive(all).isEmpty { await Task.yield() }
    }

    /// It hangs: the kernel still answers for it. What was being started meanwhile hangs too.
    @discardableResult
    func freeze() -> [Int32] {
        var frozen: Set<Int32> = []
        while true {
            let all = tree
            for id in all { Foundation.kill(id, SIGSTOP) }
            if frozen.isSuperset(of: all) { return all }
            frozen.formUnion(all)
        }
    }

    func thaw() { for id in tree { Foundation.kill(id, SIGCONT) } }

    var hostKey: String {
        get throws {
            try String(contentsOfFile: "\(directory)/host.pub", encoding: .utf8).split(separator: " ").prefix(2)
                .joined(separator: " ")
        }
    }

    var configuration: GuestSSHConfiguration {
        GuestSSHConfiguration(
            host: "127.0.0.1", port: port, user: NSUserName(), keyFile: "\(directory)/user",
            hostKeyPin: try? hostKey)
    }

    func link(_ change: (inout GuestSSHConfiguration) -> Void = { _ in }) -> GuestLink {
        var configuration = configuration
        change(&configuration)
        return GuestLink(
            configuration, onHostKey: { _ in }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// Runs `body` with a server that is gone afterwards.
func withServer<R: Sendable>(
    options: String = "", _ body: (SSHServer) async throws -> R
) async throws -> R {
    try await withTemporaryDirectory { directory in
        let server = try await SSHServer(in: directory, options: options)
        do {
            let result = try await body(server)
            server.thaw()
            await server.kill()
            return result
        } catch {
            server.thaw()
            await server.kill()
            throw error
        }
    }
}

/// Runs `body` with a server and a link to it.
func withLink<R: Sendable>(
    options: String = "", _ change: (inout GuestSSHConfiguration) -> Void = { _ in },
    _ body: (GuestLink, SSHServer) async throws -> R
) async throws -> R {
    try await withServer(options: options) { server in
        let link = server.link(change)
        do {
            let result = try await body(link, server)
            await link.close()
            return result
        } catch {
            await link.close()
            throw error
        }
    }
}
