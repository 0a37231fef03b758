public import KubeAPI
import Logging
import NIOPosix
public import Testing

/// An API server of a test: the double, or a real one.
public protocol TestCluster: Sendable {
    func connection(as user: APIServerDouble.User) -> ClusterConnection
}

extension TestCluster {
    /// Runs `body` with a client that is shut down afterwards.
    public func client<R: Sendable>(
        as user: APIServerDouble.User = .admin, options: KubeClient.Options = .init(),
        _ body: (KubeClient) async throws -> R
    ) async throws -> R {
        let client = KubeClient(
            connection(as: user), options: options, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// How to reach it, as a kubeconfig file.
    public func kubeconfig(as user: APIServerDouble.User = .admin) -> String {
        let connection = connection(as: user)
        guard case .token(let token)? = connection.bearer else { return "" }
        var cluster = #"server: "\#(connection.server)""#
        if case .authorities(.file(let file)) = connection.trust { cluster += #", certificate-authority: "\#(file)""# }
        return """
            apiVersion: v1
            kind: Config
            current-context: test
            contexts: [{name: test, context: {cluster: test, user: me}}]
            clusters: [{name: test, cluster: {\(cluster)}}]
            users: [{name: me, user: {token: "\(token)"}}]

            """
    }
}

extension APIServerDouble: TestCluster {}

/// Which API servers a test that is for all of them runs over.
public enum TestClusters: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case double
    case real

    public var testDescription: String { rawValue }

    /// The real one only where its programs are.
    public static var available: [TestClusters] { allCases.filter { $0 == .double || ControlPlane.isAvailable } }

    public func with<R: Sendable>(_ body: (any TestCluster) async throws -> R) async throws -> R {
        switch self {
        case .double: try await APIServerDouble.with { try await body($0) }
        case .real: try await ControlPlane.with { try await body($0) }
        }
    }
}
