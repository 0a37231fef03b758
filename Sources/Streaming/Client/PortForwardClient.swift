public import Logging
public import NIOCore
import Synchronization
public import TLS

/// Connects to the streaming URL of a port-forward.
public enum PortForwardClient {
    /// - Throws: `StreamingError` when no connection comes about.
    public static func connect(
        url: String, tls: TLSContext? = nil, group: any EventLoopGroup, logger: Logger
    ) async throws -> PortForwardSession {
        let (_, session) = try await StreamingURL(url).connect(offering: [ChannelProtocol.portForward], tls: tls, group: group)
        return PortForwardSession(session)
    }
}

/// A connection on which any number of connections to a pod's ports are opened.
public final class PortForwardSession: Sendable {
    private let session: SPDYSession
    private let reading: Task<Void, Never>
    private let nextID = Atomic(0)

    init(_ session: SPDYSession) {
        self.session = session
        reading = Task { await session.run() }
    }

    deinit { reading.cancel() }

    /// Opens a connection to a port of the pod. What the far side says of a failure ends its `inbound` as an error.
    public func open(port: Int) async throws -> PortConnection {
        let id = "\(nextID.wrappingAdd(1, ordering: .relaxed).oldValue)"
        let headers: (String) -> SPDYHeaders = { ["streamtype": $0, "port": "\(port)", "requestid": id] }
        let error = try await session.open(headers("error"))
        try await error.closeOutput()
        let data = try await session.open(headers("data"))
        let inbound = ByteStream()
        Task {
            var failure: (any Error)?
            do {
                for try await bytes in data.inbound { await inbound.push(bytes) }
            } catch {
                failure = error
            }
            var complaint = ByteBuffer()
            do {
                for try await var bytes in error.inbound { complaint.writeBuffer(&bytes) }
            } catch {
                failure = failure ?? error
            }
            if complaint.readableBytes > 0 { failure = StreamingError(.failed, String(buffer: complaint)) }
            inbound.finish(failure)
        }
        return PortConnection(
            inbound: inbound, write: { try await data.write($0) }, closeOutput: { try await data.closeOutput() })
    }

    public func close() async { await session.close() }
}
