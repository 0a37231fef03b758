import CRIShim
import Settings
import Sockets

extension ShimConfiguration {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(_ settings: ShimSettings) throws {
        let resolved = settings.resolved
        let listen = try settings.listen.map { try Self.endpoint($0, of: "listen", in: resolved) }
        guard !listen.isEmpty else {
            throw resolved.invalid("listen", "names nowhere to listen: write unix:///PATH or tcp://HOST:PORT")
        }
        self.init(
            listen: listen, rootDirectory: settings.root,
            dockerEndpoint: try Self.endpoint(settings.dockerHost, of: "dockerHost", in: resolved),
            version: CRIShimCommand.versionText)
        if let group = settings.socketGroup { socket.group = group }
        tls = try Self.serverTLS(settings, listen: listen)
        dockerTLS = Self.dockerTLS(settings)
        advertiseAddress = settings.advertiseAddress
        pauseImage = settings.pauseImage
    }

    private static func endpoint(_ text: String, of key: String, in resolved: ResolvedSettings) throws -> Endpoint {
        do {
            return try Endpoint(parsing: text)
        } catch {
            throw resolved.invalid(key, error.message)
        }
    }

    private static func serverTLS(_ settings: ShimSettings, listen: [Endpoint]) throws -> ServerTLS? {
        let given = [("tlsCert", settings.tlsCert), ("tlsKey", settings.tlsKey), ("clientCA", settings.clientCA)]
        let tcp = listen.first { if case .tcp = $0 { true } else { false } }
        if let tcp, let missing = given.first(where: { $0.1 == nil })?.0 {
            let flag = settings.resolved[missing].key.flag ?? missing
            throw settings.resolved.invalid(
                "listen",
                "\(tcp) needs \(flag): whoever may call a container runtime is root here, so over TCP both sides prove who "
                    + "they are (--tls-cert, --tls-key, --client-ca)")
        }
        guard tcp != nil, let certificate = settings.tlsCert, let key = settings.tlsKey,
            let authority = settings.clientCA
        else { return nil }
        return ServerTLS(
            certificateFile: certificate, keyFile: key, clientCAFile: authority, allowedNames: settings.clientAllow)
    }

    /// As Docker's own client has it: DOCKER_TLS_VERIFY turns TLS on, DOCKER_CERT_PATH says where its files are.
    private static func dockerTLS(_ settings: ShimSettings) -> DockerTLS? {
        guard settings.dockerTLSVerify else { return nil }
        guard let directory = settings.dockerCertPath else {
            return DockerTLS(caFile: nil, certificateFile: nil, keyFile: nil)
        }
        return DockerTLS(
            caFile: directory + "/ca.pem", certificateFile: directory + "/cert.pem", keyFile: directory + "/key.pem")
    }
}
