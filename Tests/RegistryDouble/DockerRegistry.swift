import Foundation
import Support
import TLS

/// A real registry (Debian's `docker-registry`), on loopback, with a directory of its own.
public final class DockerRegistry: Sendable {
    /// Where the program is; nil where it is not installed (`scripts/deps install test`).
    public static let program: String? = ["/usr/bin/docker-registry", "/opt/homebrew/bin/registry"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    public static var isAvailable: Bool { program != nil }

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// Who may use a registry that asks.
    public static let user = "alice"
    public static let password = "s3cret:word"
    /// The password's bcrypt hash, as htpasswd writes it.
    private static let passwordHash = "$2y$05$abcdefghijklmnopqrstuu2JDQLR7mbHhdpill4/jMLDoVbsBhlUi"

    /// `127.0.0.1:PORT`
    public let address: String
    /// What signed its certificate.
    public let authority: String?
    /// Where it keeps everything.
    public let directory: String
    private let process: ChildProcess

    private init(address: String, authority: String?, directory: String, process: ChildProcess) {
        self.address = address
        self.authority = authority
        self.directory = directory
        self.process = process
    }

    /// Runs one for `body`, and ends it.
    /// - Parameter asks: for ``user`` and ``password``.
    public static func run<R>(
        asks: Bool = false, tls: Bool = false, _ body: (DockerRegistry) async throws -> R
    ) async throws -> R {
        try await withTemporaryDirectory { directory in
            let registry = try await start(in: directory, asks: asks, tls: tls)
            do {
                let result = try await body(registry)
                await registry.stop()
                return result
            } catch {
                await registry.stop()
                throw error
            }
        }
    }

    private static func start(in directory: String, asks: Bool, tls: Bool) async throws -> DockerRegistry {
        guard let program else { throw Failure(description: "docker-registry is not installed") }
        let authority = tls ? try CertificateAuthority.make(commonName: "registry test", directory: directory) : nil
        let certificate = try authority?.issue(
            commonName: "registry", names: ["localhost", "127.0.0.1"], usage: .server, directory: directory,
            name: "registry")
        // Somebody else may be faster on a port that was free.
        for _ in 0..<5 {
            let port = try LoopbackPort.take()
            var text = """
                version: 0.1
                log:
                  level: warn
                storage:
                  delete:
                    enabled: true
                  filesystem:
                    rootdirectory: \(directory)/data
                http:
                  addr: 127.0.0.1:\(port)

                """
            if let certificate {
                text += """
                      tls:
                        certificate: \(certificate.certificateFile)
                        key: \(certificate.keyFile)

                    """
            }
            if asks {
                try Data("\(user):\(passwordHash)\n".utf8).write(to: URL(filePath: directory + "/htpasswd"))
                text += """
                    auth:
                      htpasswd:
                        realm: test
                        path: \(directory)/htpasswd

                    """
            }
            let config = directory + "/config.yml"
            try Data(text.utf8).write(to: URL(filePath: config))
            let process = try ChildProcess(
                program, ["serve", config], environment: ["OTEL_TRACES_EXPORTER": "none"], directory: directory)
            if try await answers(port, process) {
                return DockerRegistry(
                    address: "127.0.0.1:\(port)", authority: authority?.certificateFile, directory: directory,
                    process: process)
            }
            process.send(SIGKILL)
            let outcome = await process.wait()
            guard outcome.errors.contains("address already in use") else {
                throw Failure(description: "docker-registry did not start: \(outcome.errors)\(outcome.output)")
            }
        }
        throw Failure(description: "docker-registry found no free port")
    }

    /// Until somebody listens there, and it is this process that does.
    private static func answers(_ port: Int, _ process: ChildProcess) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(30)
        while process.isRunning, ContinuousClock.now < end {
            if LoopbackPort.isTaken(port) { return process.isRunning }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    private func stop() async {
        process.send(SIGTERM)
        let overdue = Task { [process] in
            try await Task.sleep(for: .seconds(10))
            process.send(SIGKILL)
        }
        defer { overdue.cancel() }
        _ = await process.wait()
    }
}
