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
        let (_, session) = try await StreamingURL(url).connect(
            offering: [ChannelProtocol.portForward], tls: tls, group: group)
        return PortForwardSession(session)
    }
}

/// A connection on which any number of connections to a pod's ports are opened. Close it when done.
public final class PortForwardSession: Sendable {
    private let session: SPDYSession
    /// Lives until the session is closed, dropped, or the connection ends.
    private let reading: Task<Void, Never>
    private let nextID = Atomic(0)

    init(_ session: SPDYSession) {
        self.session = session
        reading = Task {
            await session.run()
            await session.abort()
        }
    }

    deinit { reading.cancel() }

    /// Streams that have not ended.
    var openStreams: Int { session.openStreams }

    /// Opens a connection to a port of the pod. What the far side says of a failure ends its `inbound` as an error.
    /// - Throws: `StreamingError` when the session has ended; `CancellationError`.
    public func open(port: Int) async throws -> PortConnection {
        let id = "\(nextID.wrappingAdd(1, ordering: .relaxed).oldValue)"
        let headers: (String) -> SPDYHeaders = { ["streamtype": $0, "port": "\(port)", "requestid": id] }
        let error = try await session.open(headers("error"))
        let data: SPDYStream
        do {
            try await error.closeOutput()
            data = try await session.open(headers("data"))
        } catch let failure {
            error.reset()
            throw failure
        }
        let inbound = ByteStream()
        // Ends with its streams, and those with the session.
        let copying = Task { await Self.copy(data, error, to: inbound) }
        return PortConnection(
            inbound: inbound, write: { try await data.write($0) }, closeOutput: { try await data.closeOutput() },
            close: {
                copying.cancel()
                data.reset()
                inbound.finish(StreamingError(.failed, "the connection was closed here"))
                inbound.abandon()
            })
    }

    private static func copy(_ data: SPDYStream, _ error: SPDYStream, to inbound: ByteStream) async {
        do {
            for try await bytes in data.inbound { await inbound.push(bytes) }
            // What went wrong is told before the data ends: a clean end without a word is one.
            if !error.inbound.hasUnread { inbound.finish() }
            let complaint = try await text(of: error)
            inbound.finish(complaint.isEmpty ? nil : StreamingError(.failed, complaint))
        } catch let failure {
            do {
                let complaint = try await text(of: error)
                inbound.finish(complaint.isEmpty ? failure : StreamingError(.failed, complaint))
            } catch {
                inbound.finish(failure)
            }
        }
        // The far side has said all: it takes no more either.
        data.fail(StreamingError(.unavailable, "the far side has ended the connection"))
        data.forget()
        error.forget()
    }

    private static func text(of error: SPDYStream) async throws -> String {
        var text = ByteBuffer()
        for try await var bytes in error.inbound where text.readableBytes < 64 << 10 { text.writeBuffer(&bytes) }
        return String(buffer: text)
    }

    public func close() async {
        await session.close(within: .seconds(2))
        await reading.value
    }
}
