import Logging
import NIOCore
import Sockets
import TLS
import VMImages

/// The other shims of a fleet, and what is served to them.
final class Peers: Sendable {
    private let configuration: PeerConfiguration
    private let clients: PeerClients
    private let server: PeerServer
    private let serverTLS: TLSContext
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Throws: `TLSError` for files that cannot be used.
    init(
        _ configuration: PeerConfiguration, store: ImageStore, limits: HTTPPeer.Limits = .init(),
        group: any EventLoopGroup, logger: Logger
    ) throws {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        let board = FrameBoard(store: store)
        clients = try PeerClients(configuration, board: board, limits: limits, group: group)
        server = PeerServer(board: board, rate: configuration.rate)
        serverTLS = try TLSContext.server(
            TLSServerConfiguration(
                certificateFile: configuration.certificateFile, keyFile: configuration.keyFile,
                clientCAFile: configuration.authorityFile, clientCertificate: .required,
                allowedNames: configuration.allowedNames, applicationProtocols: ["http/1.1"]))
    }

    var exchange: PeerExchange { clients.exchange }

    /// - Returns: where it serves; nil when it serves nobody.
    @discardableResult
    func start() async throws -> Endpoint? {
        guard let (host, port) = configuration.listen else { return nil }
        let endpoint = try await server.start(host: host, port: port, tls: serverTLS, group: group, logger: logger)
        logger.info("serving peers", metadata: ["endpoint": "\(endpoint)"])
        return endpoint
    }

    func reloadTLS() throws {
        try serverTLS.reload()
        try clients.reloadTLS()
    }

    func stop() async {
        await clients.close()
        do {
            try await server.stop()
        } catch {
            logger.warning("the server of peers did not end well", metadata: ["error": "\(error)"])
        }
    }
}
