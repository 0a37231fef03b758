import Foundation
public import KubeAPI
import Support
public import Testing

/// A real API server over a real etcd: the programs in the directory that `KUBEBUILDER_ASSETS` names.
public final class ControlPlane: TestCluster {
    private static let assets = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? ""

    public static var isAvailable: Bool {
        !assets.isEmpty
            && ["etcd", "kube-apiserver"].allSatisfy { FileManager.default.isExecutableFile(atPath: assets + "/" + $0) }
    }
    public static let skipReason: Comment = "skipped, because KUBEBUILDER_ASSETS names no etcd and kube-apiserver"

    private struct Failure: Error, CustomStringConvertible { var description: String }

    /// Who may come: everybody has a token of their own.
    private static let users: [APIServerDouble.User] = [.admin] + ["node", "other"].map { .node($0) }
    private let directory: String
    private let port: Int
    private let programs: [ChildProcess]

    private static func token(_ user: APIServerDouble.User) -> String {
        "token-of-" + user.name.replacing(":", with: "-")
    }

    public func connection(as user: APIServerDouble.User = .admin) -> ClusterConnection {
        ClusterConnection(
            server: .init(host: "127.0.0.1", port: port), trust: .authorities(.file(directory + "/apiserver.crt")),
            bearer: .token(Self.token(user)))
    }

    /// Runs `body` while both serve on loopback.
    public static func with<R: Sendable>(_ body: (ControlPlane) async throws -> R) async throws -> R {
        try await withTemporaryDirectory { directory in
            let plane = try await start(in: directory)
            do {
                let result = try await body(plane)
                await plane.stop()
                return result
            } catch {
                await plane.stop()
                throw error
            }
        }
    }

    private static func start(in directory: String) async throws -> ControlPlane {
        let (store, peers, port) = (
            try LoopbackPort.take(), try LoopbackPort.take(), try LoopbackPort.take()
        )
        let key = directory + "/accounts.key"
        let made = try await ChildProcess.run("/usr/bin/env", ["openssl", "genrsa", "-out", key, "2048"])
        guard made.code == 0 else { throw Failure(description: "openssl genrsa: \(made.errors)") }
        let tokens = users.map { user in
            "\(token(user)),\(user.name),\(user.name),\"\(user.groups.joined(separator: ","))\"\n"
        }
        try tokens.joined().write(toFile: directory + "/tokens.csv", atomically: true, encoding: .utf8)
        let etcd = try ChildProcess(
            assets + "/etcd",
            [
                "--data-dir", directory + "/etcd", "--unsafe-no-fsync",
                "--listen-client-urls", "http://127.0.0.1:\(store)",
                "--advertise-client-urls", "http://127.0.0.1:\(store)",
                "--listen-peer-urls", "http://127.0.0.1:\(peers)",
            ])
        let server: ChildProcess
        do {
            server = try ChildProcess(
                assets + "/kube-apiserver",
                [
                    "--etcd-servers", "http://127.0.0.1:\(store)", "--bind-address", "127.0.0.1", "--secure-port",
                    "\(port)", "--cert-dir", directory, "--token-auth-file", directory + "/tokens.csv",
                    "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
                    // Nobody makes the accounts that it would put into every pod.
                    "--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none",
                    "--service-account-issuer", "https://localhost", "--service-account-key-file", key,
                    "--service-account-signing-key-file", key, "--service-cluster-ip-range", "10.0.0.0/24",
                ])
        } catch {
            etcd.send(SIGKILL)
            throw error
        }
        let plane = ControlPlane(directory, port, [server, etcd])
        do {
            try await eventually("the API server is ready", within: .seconds(120)) {
                guard server.isRunning, etcd.isRunning else {
                    throw Failure(description: "the control plane ended: \(server.errors.suffix(2000)) \(etcd.errors)")
                }
                let answer = try await plane.answer(to: ControlPlane.Question("GET", "/readyz"))
                return answer.code == 200
            }
        } catch {
            await plane.stop()
            throw error
        }
        return plane
    }

    private init(_ directory: String, _ port: Int, _ programs: [ChildProcess]) {
        self.directory = directory
        self.port = port
        self.programs = programs
    }

    private func stop() async {
        for program in programs {
            program.send(SIGKILL)
            _ = await program.wait()
        }
    }
}

extension TestCluster {
    public typealias Question = ClusterQuestion

    /// Asks by a client that is none of ours.
    public func answer(to question: ClusterQuestion) async throws -> ClusterAnswer {
        let connection = connection(as: question.user)
        var arguments = [
            "-sS", "--max-time", "30", "-X", question.method, "-w", "\n%{http_code}",
            "\(connection.server)\(question.path)",
        ]
        if case .token(let token)? = connection.bearer {
            arguments += ["-H", "Authorization: Bearer \(question.token ?? token)"]
        }
        if case .authorities(.file(let file)) = connection.trust { arguments += ["--cacert", file] }
        if let body = question.body {
            arguments += ["-H", "Content-Type: \(question.type)", "--data-binary", body]
        }
        let outcome = try await ChildProcess.run("/usr/bin/env", ["curl"] + arguments)
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
        return ClusterAnswer(
            code: lines.last.flatMap { Int($0) } ?? 0, text: lines.dropLast().joined(separator: "\n"))
    }
}

/// One request, as it goes over the wire.
public struct ClusterQuestion: Sendable {
    public var user: APIServerDouble.User
    public var method: String
    public var path: String
    public var body: String?
    public var type: String
    /// Another token than the user's.
    public var token: String?

    public init(
        _ method: String, _ path: String, _ body: String? = nil, as user: APIServerDouble.User = .admin,
        type: String = "application/json", token: String? = nil
    ) {
        self.user = user
        self.method = method
        self.path = path
        self.body = body
        self.type = type
        self.token = token
    }
}

public struct ClusterAnswer: Sendable {
    /// 0 when there was none.
    public var code: Int
    public var text: String
}
