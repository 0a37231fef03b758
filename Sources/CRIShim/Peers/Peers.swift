import Logging
import NIOCore
import Sockets
import TLS
import VMImages

/// The other shims of a fleet, and what is served to them.
final class Peers: Sendable {
    let exchange: PeerExchange
    private let configuration: PeerConfiguration
    private let clients: [HTTPPeer]
    private let server: PeerServer
    private let serverTLS: TLSContext
    private let clientTLS: TLSContext
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
        let clientTLS = try TLSContext.client(
            TLSClientConfiguration(
                caFile: configuration.authorityFile, certificateFile: configuration.certificateFile,
                keyFile: configuration.keyFile, applicationProtocols: ["http/1.1"]))
        self.clientTLS = clientTLS
        serverTLS = try TLSContext.server(
            TLSServerConfiguration(
                certificateFile: configuration.certificateFile, keyFile: configuration.keyFile,
                clientCAFile: configuration.authorityFile, clientCertificate: .required,
                allowedNames: configuration.allowedNames, applicationProtocols: ["http/1.1"]))
        clients = configuration.addresses.map { HTTPPeer($0, tls: clientTLS, limits: limits, group: group) }
        let board = FrameBoard(store: store)
        server = PeerServer(board: board, rate: configuration.rate)
        exchange = PeerExchange(board: board, peers: clients)
    }

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
        try clientTLS.reload()
    }

    func stop() async {
        for client in clients { await client.close() }
        do {
            try await server.stop()
        } catch {
            logger.warning("the server of peers did not end well", metadata: ["error": "\(error)"])
        }
    }
}
