public import NIOCore
public import NIOPosix
import TLS
public import VMImages

/// The other shims of a fleet, for who asks them.
public final class PeerClients: Sendable {
    public let exchange: PeerExchange
    private let peers: [HTTPPeer]
    private let tls: TLSContext

    /// For pulls that serve nobody in return.
    /// - Throws: `TLSError` for files that cannot be used.
    public convenience init(
        _ configuration: PeerConfiguration, store: ImageStore,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) throws {
        try self.init(configuration, board: FrameBoard(store: store), group: group)
    }

    /// - Parameter board: what they are told by whoever serves them.
    init(
        _ configuration: PeerConfiguration, board: FrameBoard, limits: HTTPPeer.Limits = .init(),
        group: any EventLoopGroup
    ) throws {
        let tls = try TLSContext.client(
            TLSClientConfiguration(
                caFile: configuration.authorityFile, certificateFile: configuration.certificateFile,
                keyFile: configuration.keyFile, applicationProtocols: ["http/1.1"]))
        self.tls = tls
        let peers = configuration.addresses.map { HTTPPeer($0, tls: tls, limits: limits, group: group) }
        self.peers = peers
        exchange = PeerExchange(board: board, peers: peers)
    }

    func reloadTLS() throws { try tls.reload() }

    public func close() async {
        for peer in peers { await peer.close() }
    }
}
