import HostFiles
public import KubeAPI
import Logging
import NIOCore
import NIOPosix

/// How a new node comes to an identity of its own: it joins with one that may do nothing but ask for that (TLS bootstrap).
public struct BootstrapConfiguration: Sendable {
    /// The identity it begins with.
    public var connection: ClusterConnection
    /// The kubeconfig that is written once there is a certificate.
    public var kubeconfig: String

    public init(connection: ClusterConnection, kubeconfig: String) {
        self.connection = connection
        self.kubeconfig = kubeconfig
    }
}

struct NodeBootstrap: Sendable {
    let configuration: BootstrapConfiguration
    let directory: CertificateDirectory
    let nodeName: String
    var retry: Duration = .seconds(5)
    let group: any EventLoopGroup
    let logger: Logger

    /// Gets a certificate, unless there is one that is valid, and writes the kubeconfig that shows it. Waits as long as
    /// it takes.
    /// - Returns: how the node reaches the cluster from now on.
    func run() async throws -> ClusterConnection {
        if let known = try await known() { return known }
        let client = KubeClient(configuration.connection, group: group, logger: logger)
        let keeper = CertificateKeeper(
            directory: directory, purpose: .client,
            signer: CertificateSigner(client: client, nodeName: nodeName, logger: logger), logger: logger)
        do {
            if await !hasCertificate(keeper) { try await get(keeper) }
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
        let text = configuration.connection.kubeconfig(showing: directory.current)
        let path = configuration.kubeconfig
        try await NIOThreadPool.singleton.runIfActive {
            if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
                try SystemCall.makeDirectories(String(path[..<slash]), mode: 0o700)
            }
            try AtomicFile.write(Array(text.utf8), to: path, mode: 0o600)
        }
        logger.info("this node has an identity of its own: \(path)")
        return try await NIOThreadPool.singleton.runIfActive { try KubeconfigLoader(paths: path).load() }
    }

    /// The identity the node has already: one that somebody gave it, or its own while that is valid.
    private func known() async throws -> ClusterConnection? {
        let path = configuration.kubeconfig
        let found = try await NIOThreadPool.singleton.runIfActive { () throws -> ClusterConnection? in
            guard try SmallFile.version(path) != nil else { return nil }
            return try KubeconfigLoader(paths: path).load()
        }
        guard let found, found.certificate?.certificates == .file(directory.current) else { return found }
        let client = KubeClient(found, group: group, logger: logger)
        let keeper = CertificateKeeper(
            directory: directory, purpose: .client,
            signer: CertificateSigner(client: client, nodeName: nodeName, logger: logger), logger: logger)
        let isUsable = await hasCertificate(keeper)
        await client.shutdown()
        return isUsable ? found : nil
    }

    private func hasCertificate(_ keeper: CertificateKeeper) async -> Bool {
        let (facts, problem) = await directory.facts()
        if let problem { logger.warning("\(problem): another is asked for") }
        return facts.map(keeper.isUsable) == true
    }

    private func get(_ keeper: CertificateKeeper) async throws {
        var backOff = JitteredBackOff(initial: retry, maximum: retry * 12)
        while true {
            do {
                return try await keeper.replace()
            } catch let error as KubeAPIError where error.isPermanent || error.isUnauthorized {
                throw AdapterError(
                    .failed,
                    "the bootstrap identity may not ask for a certificate: give it the cluster role "
                        + "system:node-bootstrapper, or a token that has not ended", cause: error)
            } catch {
                try Task.checkCancellation()
                logger.warning("cannot get a certificate for this node yet, trying on: \(error)")
                try await Task.sleep(for: backOff.step())
            }
        }
    }
}
