import HostFiles
import Logging
import NIOPosix
import Processes

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What we show an API server now. Files are read again when they were replaced, plugins asked again when what they gave
/// ends or was refused.
actor CredentialStore {
    /// PEM.
    struct Certificate: Sendable, Hashable {
        var certificates: [UInt8]
        var key: [UInt8]
    }

    struct Credentials: Sendable, Hashable {
        /// The `Authorization` header.
        var authorization: String?
        var certificate: Certificate?
        /// PEM; `nil` where nobody or the whole system is trusted.
        var authorities: [UInt8]?
    }

    /// How long a file counts as unchanged before it is looked at again.
    static let fileAge = Duration.seconds(10)
    /// A plugin is asked again this long before what it gave ends.
    private static let margin = Duration.seconds(10)

    private let connection: ClusterConnection
    private let pool: NIOThreadPool
    private let logger: Logger
    private var files: [String: (version: SmallFile.Version, bytes: [UInt8], seen: ContinuousClock.Instant)] = [:]
    private var plugin: ExecCredential?
    private var asking: Task<ExecCredential, any Error>?

    init(_ connection: ClusterConnection, pool: NIOThreadPool = .singleton, logger: Logger) {
        self.connection = connection
        self.pool = pool
        self.logger = logger
    }

    /// - Throws: ``KubeAPIError`` `failed` when a file or a plugin does not give what it should.
    func current() async throws -> Credentials {
        var credentials = Credentials()
        if case .authorities(let material) = connection.trust { credentials.authorities = try await bytes(material) }
        if let certificate = connection.certificate {
            credentials.certificate = Certificate(
                certificates: try await bytes(certificate.certificates), key: try await bytes(certificate.key))
        }
        switch connection.bearer {
        case nil: break
        case .token(let token): credentials.authorization = "Bearer \(token)"
        case .tokenFile(let path):
            let token = String(decoding: try await bytes(.file(path)), as: UTF8.self).filter { !$0.isWhitespace }
            guard !token.isEmpty else {
                throw KubeAPIError(.failed, "the token file \(path) is empty: put a token there")
            }
            credentials.authorization = "Bearer \(token)"
        case .basic(let login):
            let text = Data("\(login.user):\(login.password)".utf8).base64EncodedString()
            credentials.authorization = "Basic \(text)"
        case .plugin(let plugin):
            let given = try await ask(plugin)
            credentials.authorization = given.token.map { "Bearer \($0)" }
            if let certificates = given.certificates, let key = given.key {
                credentials.certificate = Certificate(certificates: certificates, key: key)
            }
        }
        return credentials
    }

    /// The server did not take them: what can be had anew is, next time.
    func refused(_ credentials: Credentials) {
        for path in files.keys { files[path]?.seen -= Self.fileAge }
        if let token = plugin?.token, credentials.authorization == "Bearer \(token)" { plugin = nil }
        if let certificates = plugin?.certificates, credentials.certificate?.certificates == certificates {
            plugin = nil
        }
    }

    // MARK: Files

    private func bytes(_ material: ClusterConnection.Material) async throws -> [UInt8] {
        switch material {
        case .bytes(let bytes): return bytes
        case .file(let path):
            if let known = files[path], known.seen.duration(to: .now) < Self.fileAge { return known.bytes }
            let known = files[path]
            let now = ContinuousClock.now
            do {
                let found = try await pool.runIfActive { () throws -> (SmallFile.Version, [UInt8])? in
                    guard let version = try SmallFile.version(path) else { return nil }
                    if let known, known.version == version { return (version, known.bytes) }
                    return try SmallFile.read(path).map { (version, $0) }
                }
                guard let found else {
                    throw KubeAPIError(.failed, "there is no \(path): put it back, or name another")
                }
                files[path] = (found.0, found.1, now)
                return found.1
            } catch {
                // Whoever replaces a file may be between removing and writing it: what is known may still do.
                guard let known else {
                    throw error as? KubeAPIError
                        ?? KubeAPIError(.failed, "credentials for the cluster cannot be read", cause: error)
                }
                logger.warning("going on with what \(path) said before: \(error)")
                files[path]?.seen = now
                return known.bytes
            }
        }
    }

    // MARK: Plugins

    private func ask(_ plugin: ExecPlugin) async throws -> ExecCredential {
        if let known = self.plugin {
            guard let end = known.expires, end.since(Timestamp.now()) < Self.margin else { return known }
        }
        if let asking { return try await asking.value }
        let task = Task { try await Self.run(plugin) }
        asking = task
        defer { asking = nil }
        let given = try await task.value
        self.plugin = given
        return given
    }

    private static func run(_ plugin: ExecPlugin) async throws -> ExecCredential {
        var environment = ProcessInfo.processInfo.environment
        environment.merge(plugin.environment) { _, own in own }
        environment["KUBERNETES_EXEC_INFO"] = ExecCredential.question(for: plugin)
        let result: CommandResult
        do {
            result = try await Command.run(
                plugin.command, plugin.arguments, environment: environment, deadline: .seconds(60))
        } catch let error as ProcessError where error.code == .notFound {
            let hint = plugin.installHint.isEmpty ? "install it" : plugin.installHint
            throw KubeAPIError(.failed, "there is no credential plugin \(plugin.command): \(hint)")
        } catch let error as ProcessError {
            throw KubeAPIError(.failed, "the credential plugin \(plugin.command) cannot be run", cause: error)
        }
        guard result.end.isSuccess else {
            let words = result.errorText.split(whereSeparator: \.isWhitespace).joined(separator: " ").suffix(1000)
            throw KubeAPIError(.failed, "the credential plugin \(plugin.command) failed (\(result.end)): \(words)")
        }
        return try ExecCredential(parsing: result.output, from: plugin)
    }
}
