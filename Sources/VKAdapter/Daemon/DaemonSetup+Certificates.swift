import KubeAPI
import NIOCore
import TLS

extension DaemonSetup {
    private func directory(_ prefix: String) -> CertificateDirectory {
        CertificateDirectory(
            path: configuration.certificateDirectory ?? "\(configuration.root)/pki", prefix: prefix, pool: pool)
    }

    /// How the node reaches its cluster: as it was told, or with the identity it gets first.
    func cluster(group: any EventLoopGroup) async throws -> ClusterConnection? {
        guard let bootstrap = configuration.bootstrap else { return configuration.cluster }
        return try await NodeBootstrap(
            configuration: bootstrap, directory: directory("kubelet-client"), nodeName: configuration.nodeName,
            group: group, logger: logger
        ).run()
    }

    /// What replaces the node's certificates before they end.
    /// - Parameter serving: the kubelet API's, with the names it is reached at; `nil` without one.
    func certificates(client: KubeClient, serving: ServingCertificate?, names: [String]) -> [CertificateKeeper] {
        let signer = CertificateSigner(client: client, nodeName: configuration.nodeName, logger: logger)
        var keepers: [CertificateKeeper] = []
        let own = directory("kubelet-client")
        // Somebody else's certificate is somebody else's to replace.
        if client.connection.certificate?.certificates == .file(own.current) {
            keepers.append(CertificateKeeper(directory: own, purpose: .client, signer: signer, logger: logger))
        }
        if configuration.rotatesServerCertificate, configuration.kubeletCertificateFile == nil, let serving {
            let directory = directory("kubelet-server")
            keepers.append(
                CertificateKeeper(
                    directory: directory, purpose: .server(names: names), signer: signer,
                    changed: { await serving.show(directory.current) }, logger: logger))
        }
        return keepers
    }
}
