import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix

/// The network between a client and a server on loopback: what goes over it stops when a test says so, without a word to
/// either side, as behind a switch that has lost its power.
public final class Cable: Sendable {
    private struct State {
        var isSilent = false
        var links: [ObjectIdentifier: Link] = [:]
        var listener: (any Channel)?
    }

    private let state = NIOLockedValueBox(State())
    private let target: Int
    private let latency: TimeAmount

    /// - Parameters:
    ///   - target: the server's port.
    ///   - latency: how long everything that the server says is under way.
    public init(to target: Int, latency: TimeAmount = .zero) {
        self.target = target
        self.latency = latency
    }

    /// - Returns: the port clients connect to.
    public func start() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.backlog, value: 256)
            .childChannelOption(ChannelOptions.autoRead, value: false)
            .childChannelInitializer { [self] channel in join(channel) }
            .bind(host: "127.0.0.1", port: 0).get()
        state.withLockedValue { $0.listener = channel }
        return channel.localAddress?.port ?? 0
    }

    public func stop() async {
        let (listener, links) = state.withLockedValue { state in (state.listener, Array(state.links.values)) }
        for link in links { link.cut() }
        do { try await listener?.close().get() } catch {}
    }

    /// How many connections clients have open, as the network sees it.
    public var connections: Int { state.withLockedValue { $0.links.count } }

    /// From now on nothing gets through, and nobody is told so: connections stay as they are, new ones are taken and
    /// never answered.
    public func silence() {
        let links = state.withLockedValue { state in
            state.isSilent = true
            return Array(state.links.values)
        }
        for link in links { link.listen(false) }
    }

    /// What comes gets through again.
    /// - Parameter lost: of the connections there are the network knows nothing any more: they never carry a byte again,
    ///   and still nobody is told.
    public func restore(lost: Bool) {
        let links = state.withLockedValue { state in
            state.isSilent = false
            return Array(state.links.values)
        }
        for link in links {
            if lost { link.lose() } else { link.listen(true) }
        }
    }

    private func join(_ client: any Channel) -> EventLoopFuture<Void> {
        let link = Link(client, latency) { [weak self] link in
            self?.state.withLockedValue { _ = $0.links.removeValue(forKey: ObjectIdentifier(link)) }
        }
        return client.eventLoop.makeCompletedFuture {
            try client.pipeline.syncOperations.addHandler(Link.End(link, isClient: true))
        }.map { [self] in
            state.withLockedValue { $0.links[ObjectIdentifier(link)] = link }
            ClientBootstrap(group: client.eventLoop)
                .channelOption(ChannelOptions.autoRead, value: false)
                .channelInitializer { server in
                    server.eventLoop.makeCompletedFuture {
                        try server.pipeline.syncOperations.addHandler(Link.End(link, isClient: false))
                    }
                }
                .connect(host: "127.0.0.1", port: target)
                .whenComplete { [self] result in
                    guard case .success(let server) = result else { return link.cut() }
                    link.connected(server)
                    let isSilent = state.withLockedValue { $0.isSilent }
                    if !isSilent { link.listen(true) }
                }
        }
    }
}

/// One connection: both its ends.
private final class Link: Sendable {
    private struct State {
        var server: (any Channel)?
        var isListening = false
        /// Never carries a byte again.
        var isLost = false
        /// What was under way when the silence began: its sender sends it again until it gets through.
        var held: [(bytes: ByteBuffer, fromClient: Bool)] = []
        var isCut = false
    }

    private let client: any Channel
    private let latency: TimeAmount
    private let state = NIOLockedValueBox(State())
    private let ended: @Sendable (Link) -> Void

    init(_ client: any Channel, _ latency: TimeAmount, ended: @escaping @Sendable (Link) -> Void) {
        self.client = client
        self.latency = latency
        self.ended = ended
    }

    func connected(_ server: any Channel) {
        let isCut = state.withLockedValue { state in
            state.server = server
            return state.isCut
        }
        if isCut { server.close(promise: nil) }
    }

    func listen(_ isListening: Bool) {
        let server = state.withLockedValue { state -> (any Channel)? in
            if isListening, state.isLost { return nil }
            state.isListening = isListening
            return state.server
        }
        guard let server else { return }
        client.eventLoop.execute { [self] in
            let held = state.withLockedValue { state -> [(bytes: ByteBuffer, fromClient: Bool)] in
                guard state.isListening else { return [] }
                defer { state.held = [] }
                return state.held
            }
            for (bytes, fromClient) in held { deliver(bytes, to: fromClient ? server : client) }
        }
        for channel in [client, server] {
            channel.setOption(ChannelOptions.autoRead, value: isListening).whenComplete { _ in }
        }
    }

    func lose() {
        listen(false)
        state.withLockedValue { $0.isLost = true }
    }

    func carry(_ bytes: ByteBuffer, fromClient: Bool) {
        let server = state.withLockedValue { state -> (any Channel)? in
            if state.isListening, state.held.isEmpty { return state.server }
            if !state.isLost { state.held.append((bytes, fromClient)) }
            return nil
        }
        guard let server else { return }
        deliver(bytes, to: fromClient ? server : client)
    }

    private func deliver(_ bytes: ByteBuffer, to end: any Channel) {
        guard latency > .zero, end === client else { return end.writeAndFlush(bytes, promise: nil) }
        client.eventLoop.scheduleTask(in: latency) { [client] in client.writeAndFlush(bytes, promise: nil) }
    }

    /// One end is closed, and the other learns of it.
    func cut() {
        let (server, isFirst) = state.withLockedValue { state in
            defer { state.isCut = true }
            return (state.server, !state.isCut)
        }
        guard isFirst else { return }
        ended(self)
        client.close(promise: nil)
        server?.close(promise: nil)
    }

    final class End: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let link: Link
        private let isClient: Bool

        init(_ link: Link, isClient: Bool) {
            self.link = link
            self.isClient = isClient
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            link.carry(unwrapInboundIn(data), fromClient: isClient)
        }

        func channelInactive(context: ChannelHandlerContext) { link.cut() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { link.cut() }
    }
}
