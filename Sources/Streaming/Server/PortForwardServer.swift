public import HTTP
public import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Answers a request for port forwarding: an upgrade to SPDY/3.1 on which the caller opens any number of connections,
/// each served by `backend`.
public func servePortForward(
    _ request: HTTPRequest, limits: StreamingLimits = .init(), logger: Logger, backend: @escaping PortForwardBackend
) -> HTTPResponse {
    if let refusal = refuseUnlessSPDY(request) { return refusal }
    let offered = ChannelProtocol.offered(request.headers)
    guard offered.isEmpty || offered.contains(ChannelProtocol.portForward) else {
        return HTTPResponse(
            .forbidden, headers: ["x-accepted-stream-protocol-versions": ChannelProtocol.portForward],
            body: .bytes(ByteBuffer(string: "port forwarding speaks \(ChannelProtocol.portForward) only\n")))
    }
    return .upgrade(to: ChannelProtocol.spdy, headers: [ChannelProtocol.header: ChannelProtocol.portForward]) { connection in
        await PortForwardServer(session: SPDYSession(connection, role: .server), limits: limits, logger: logger, backend: backend).run()
    }
}

/// Pairs the streams of forwarded connections and serves them.
struct PortForwardServer: Sendable {
    let session: SPDYSession
    let limits: StreamingLimits
    let logger: Logger
    let backend: PortForwardBackend

    /// The halves of connections whose other half has not come.
    private final class Pairs: Sendable {
        private let halves = Mutex<[String: (error: SPDYStream?, data: SPDYStream?)]>([:])

        /// The pair, when this stream completes it.
        func add(_ stream: SPDYStream, isError: Bool, id: String) -> (error: SPDYStream, data: SPDYStream)? {
            halves.withLock { halves in
                var pair = halves[id] ?? (nil, nil)
                if isError { pair.error = stream } else { pair.data = stream }
                if let error = pair.error, let data = pair.data {
                    halves[id] = nil
                    return (error, data)
                }
                halves[id] = pair
                return nil
            }
        }

        func removeIncomplete(_ id: String) -> SPDYStream? {
            halves.withLock { halves in halves.removeValue(forKey: id).flatMap { $0.error ?? $0.data } }
        }
    }

    func run() async {
        let pairs = Pairs()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.run() }
            group.addTask {
                await session.waitForSilence(limits.idle)
                if !Task.isCancelled { await session.close() }
            }
            for await stream in session.incoming {
                let kind = stream.headers["streamtype"] ?? ""
                guard kind == "error" || kind == "data", let port = stream.headers["port"].flatMap({ Int($0) }), (1...65535).contains(port)
                else {
                    stream.reset()
                    continue
                }
                // Clients of old name no request: they forward one connection at a time.
                let id = stream.headers["requestid"] ?? "port \(port)"
                if let pair = pairs.add(stream, isError: kind == "error", id: id) {
                    group.addTask { await serve(pair.error, pair.data, port) }
                } else {
                    group.addTask {
                        try? await Task.sleep(for: limits.streamCreation)
                        if !Task.isCancelled { pairs.removeIncomplete(id)?.reset() }
                    }
                }
            }
            await session.close()
            group.cancelAll()
        }
    }

    private func serve(_ error: SPDYStream, _ data: SPDYStream, _ port: Int) async {
        let connection = PortConnection(
            inbound: data.inbound, write: { try await data.write($0) }, closeOutput: { try await data.closeOutput() })
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await backend(port, connection) }
                group.addTask {
                    await data.waitForConnectionEnd()
                    throw StreamingError(.unavailable, "the caller broke the connection off")
                }
                defer { group.cancelAll() }
                try await group.next()
            }
            try await data.closeOutput()
            try await error.closeOutput()
        } catch let failure {
            logger.debug("forwarding a port failed", metadata: ["port": "\(port)", "error": "\(failure)"])
            try? await error.write(ByteBuffer(string: "error forwarding port \(port): \(failure)"))
            try? await error.closeOutput()
            data.reset()
        }
        session.forget(data, resetting: false)
        session.forget(error, resetting: false)
    }
}
