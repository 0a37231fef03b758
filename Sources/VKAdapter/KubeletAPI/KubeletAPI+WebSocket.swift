import HTTP
import Logging
import NIOCore
import NIOHTTP1
import Streaming

/// Clients may speak SPDY or WebSocket; every runtime speaks SPDY, and some nothing else. SPDY is relayed raw, WebSocket is
/// served here and carried on over SPDY.
extension KubeletAPI {
    /// Exec and attach.
    func command(
        _ request: HTTPRequest, _ options: RemoteCommandOptions, _ locate: () async throws -> String
    ) async throws -> HTTPResponse {
        guard request.wantsWebSocket else { return try await relay(request, locate) }
        let url = try await streamingURL(locate)
        let (tls, group, logger) = (url.isTLS ? streamingTLS : nil, group, logger)
        return serveRemoteCommand(request, options: options, logger: logger) { io in
            do {
                return try await RemoteCommandClient.run(
                    url: url.text, tls: tls, options: options, stdin: io.stdin, stdout: io.stdout, stderr: io.stderr,
                    resizes: io.resizes, group: group, logger: logger)
            } catch {
                return .failed(message: "\(error)")
            }
        }
    }

    func forward(
        _ request: HTTPRequest, _ ports: [Int], _ locate: () async throws -> String
    ) async throws -> HTTPResponse {
        guard request.wantsWebSocket else { return try await relay(request, locate) }
        let url = try await streamingURL(locate)
        if tunnelsPortForward(request) {
            let headers = HTTPHeaders([("host", url.authority), ("x-stream-protocol-version", "portforward.k8s.io")])
            let (_, runtime) = try await upgrade(.POST, url, headers, to: "SPDY/3.1")
            return servePortForwardTunnel(request, to: runtime)
        }
        let session: PortForwardSession
        do {
            session = try await PortForwardClient.connect(
                url: url.text, tls: url.isTLS ? streamingTLS : nil, group: group, logger: logger)
        } catch let error as StreamingError {
            logger.error("the runtime's streaming endpoint fails: \(error)")
            throw Refusal(status: .badGateway, text: "error dialing backend: \(error)")
        }
        return servePortForward(request, ports: ports, logger: logger) { port, client in
            let pod = try await session.open(port: port)
            defer { pod.close() }
            try await PortConnection.join(client, pod)
        }
    }
}
