public import KubeAPI
import Logging
import NIOPosix

extension APIServerDouble {
    /// Runs `body` with a client that is shut down afterwards.
    public func client<R: Sendable>(as user: User = .admin, _ body: (KubeClient) async throws -> R) async throws -> R {
        let client = KubeClient(
            connection(as: user), group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }
}

extension APIServerDouble {
    /// The same as a kubeconfig file.
    public func kubeconfig(as user: User = .admin) -> String {
        let connection = connection(as: user)
        guard case .token(let token)? = connection.bearer else { return "" }
        return """
            apiVersion: v1
            kind: Config
            current-context: double
            contexts: [{name: double, context: {cluster: double, user: me}}]
            clusters: [{name: double, cluster: {server: "\(connection.server)"}}]
            users: [{name: me, user: {token: "\(token)"}}]

            """
    }
}
