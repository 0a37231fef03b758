import HostFiles

/// The configuration a pod finds in itself.
public enum InCluster {
    /// Where Kubernetes mounts a pod's service account.
    public static let directory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// - Parameters:
    ///   - environment: this process's.
    ///   - directory: where the service account is mounted.
    /// - Returns: `nil` outside of a pod.
    /// - Throws: `invalidArgument` when half of it is there.
    public static func connection(
        environment: [String: String], directory: String = InCluster.directory
    ) throws(KubeAPIError) -> ClusterConnection? {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"],
            !host.isEmpty, !port.isEmpty
        else { return nil }
        guard let number = Int(port), (1...65535).contains(number) else {
            throw KubeAPIError(.invalidArgument, "KUBERNETES_SERVICE_PORT is \"\(port)\", which is no port")
        }
        let token = directory + "/token"
        var connection = ClusterConnection(server: .init(host: host, port: number), bearer: .tokenFile(token))
        do {
            guard try SmallFile.version(token) != nil else {
                throw KubeAPIError(
                    .invalidArgument, "there is no service account token at \(token): name a kubeconfig, or mount one")
            }
            if try SmallFile.version(directory + "/ca.crt") != nil {
                connection.trust = .authorities(.file(directory + "/ca.crt"))
            }
            if let namespace = try SmallFile.read(directory + "/namespace") {
                connection.namespace = String(decoding: namespace, as: UTF8.self).filter { !$0.isWhitespace }
            }
        } catch let error as HostFilesError {
            throw KubeAPIError(.failed, "the service account cannot be read", cause: error)
        } catch let error as KubeAPIError {
            throw error
        } catch {
            throw KubeAPIError(.failed, "the service account cannot be read", cause: error)
        }
        return connection
    }
}
