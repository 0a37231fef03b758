import NIOCore
import NIOPosix
import Proto
import Streaming

extension ControlCommands {
    /// Listens on 127.0.0.1 and passes every connection to the pod, until the task is cancelled.
    /// - Parameters:
    ///   - query: the pod.
    ///   - mappings: at least one.
    ///   - ready: called once with the local ports, in the order of `mappings`, when all of them listen.
    /// - Throws: `ControlError` when a port cannot be had or the pod is not there.
    public func portForward(
        _ query: String, _ mappings: [PortMapping], ready: @Sendable ([Int]) -> Void = { _ in }
    ) async throws {
        guard !mappings.isEmpty else { throw ControlError(.invalidArgument, "port-forward: no port was given") }
        let tunnel = PortTunnel(client: client, podID: try await client.podID(query), ports: mappings.map(\.remote))
        do {
            try await withThrowingTaskGroup(of: Void.self) { listeners in
                var ports: [Int] = []
                for mapping in mappings {
                    let (server, port) = try await listen(mapping)
                    ports.append(port)
                    try await output.note("127.0.0.1:\(port) -> \(query) port \(mapping.remote)")
                    listeners.addTask { try await self.serve(server, remote: mapping.remote, tunnel: tunnel) }
                }
                ready(ports)
                try await listeners.waitForAll()
            }
        } catch {
            await tunnel.close()
            throw error
        }
        await tunnel.close()
    }

    private typealias LocalConnection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private func listen(
        _ mapping: PortMapping
    ) async throws -> (server: NIOAsyncChannel<LocalConnection, Never>, port: Int) {
        let bootstrap = ServerBootstrap(group: client.group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        do {
            let server = try await bootstrap.bind(host: "127.0.0.1", port: mapping.local) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try LocalConnection(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
            return (server, server.channel.localAddress?.port ?? mapping.local)
        } catch {
            throw ControlError(
                .failed, "port-forward: cannot listen on 127.0.0.1:\(mapping.local); is the port in use?", cause: error)
        }
    }

    private func serve(
        _ server: NIOAsyncChannel<LocalConnection, Never>, remote: Int, tunnel: PortTunnel
    ) async throws {
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await local in connections {
                    group.addTask {
                        do {
                            try await self.relay(local, remote: remote, tunnel: tunnel)
                        } catch {
                            // One connection's end is not the command's; its user is told.
                            try? await output.note("port \(remote): \(error)")
                        }
                    }
                }
            }
        }
    }

    private func relay(_ local: LocalConnection, remote: Int, tunnel: PortTunnel) async throws {
        try await local.executeThenClose { inbound, outbound in
            let far = try await tunnel.open(port: remote)
            try await withThrowingTaskGroup(of: Void.self) { both in
                both.addTask {
                    for try await bytes in inbound { try await far.write(bytes) }
                    try await far.closeOutput()
                }
                both.addTask {
                    for try await bytes in far.inbound { try await outbound.write(bytes) }
                    outbound.finish()
                }
                try await both.waitForAll()
            }
        }
    }
}

/// The connection to the pod that all forwarded connections share; made again when it was lost.
private actor PortTunnel {
    private let client: ControlClient
    private let podID: String
    private let ports: [Int]
    private var session: Task<PortForwardSession, any Error>?

    init(client: ControlClient, podID: String, ports: [Int]) {
        self.client = client
        self.podID = podID
        self.ports = ports
    }

    func open(port: Int) async throws -> PortConnection {
        let current = connected()
        do {
            return try await current.value.open(port: port)
        } catch {
            // Lost since the last connection: once more on a new one.
            if session == current { session = nil }
            return try await connected().value.open(port: port)
        }
    }

    func close() async {
        guard let session else { return }
        self.session = nil
        if case .success(let open) = await session.result { await open.close() }
    }

    private func connected() -> Task<PortForwardSession, any Error> {
        if let session { return session }
        let (client, podID, ports) = (client, podID, ports)
        let task = Task {
            let answer = try await client.call(
                CRI.RuntimeService.portForward,
                .init {
                    $0.podSandboxId = podID
                    $0.port = ports.map { Int32($0) }
                })
            return try await PortForwardClient.connect(
                url: answer.url, tls: client.tls, group: client.group, logger: client.logger)
        }
        session = task
        return task
    }
}
