import HTTP
import Logging
import NIOCore
import NIOHTTP1
import RPC
import Sockets
import TLS

/// Sends spans by the OpenTelemetry protocol, over gRPC or HTTP.
struct TraceExporter: SpanExporter {
    private enum Way: Sendable {
        case grpc(RPCClient)
        case http(HTTPClient, path: String)
    }

    private static let export = UnaryMethod<EncodedMessage, EncodedMessage>(
        service: "opentelemetry.proto.collector.trace.v1.TraceService", name: "Export")

    private let way: Way
    private let configuration: TraceConfiguration
    private let node: String
    private let version: String

    /// - Throws: ``AdapterError`` when the certificates cannot be used.
    init(
        _ configuration: TraceConfiguration, node: String, version: String, group: any EventLoopGroup, logger: Logger
    ) throws(AdapterError) {
        self.configuration = configuration
        self.node = node
        self.version = version
        var context: TLSContext?
        if configuration.isEncrypted, case .tcp(let host, _) = configuration.endpoint {
            let name = configuration.transport == .grpc ? "h2" : "http/1.1"
            do throws(TLSError) {
                context = try TLSContext.client(
                    TLSClientConfiguration(
                        caFile: configuration.caFile, serverName: host, applicationProtocols: [name]))
            } catch {
                throw AdapterError(.invalidArgument, "the tracing system's certificates cannot be used", cause: error)
            }
        }
        switch configuration.transport {
        case .grpc:
            way = .grpc(RPCClient(endpoint: configuration.endpoint, tls: context, group: group, logger: logger))
        case .http(let path):
            way = .http(HTTPClient(endpoint: configuration.endpoint, tls: context, group: group), path: path)
        }
    }

    func export(_ spans: [Span]) async throws {
        let message = TraceMessage(
            service: configuration.serviceName, node: node, version: version, spans: spans
        ).bytes
        switch way {
        case .grpc(let client):
            var metadata: Metadata = [:]
            for (name, value) in configuration.headers { metadata.add(name, value) }
            _ = try await client.call(
                Self.export, EncodedMessage(message), metadata: metadata, timeout: .seconds(10))
        case .http(let client, let path):
            var headers = HTTPHeaders([("content-type", "application/x-protobuf")])
            for (name, value) in configuration.headers { headers.add(name: name, value: value) }
            let response = try await client.execute(
                .POST, path, headers: headers, body: .bytes(ByteBuffer(bytes: message)), timeout: .seconds(10))
            let text = String(buffer: try await response.body.collect(upTo: 64 << 10))
            guard (200..<300).contains(response.status.code) else {
                throw AdapterError(.failed, "\(configuration.endpoint)\(path) answered \(response.status.code) \(text)")
            }
        }
    }

    func close() async {
        switch way {
        case .grpc(let client): await client.close()
        case .http(let client, _): await client.close()
        }
    }
}
