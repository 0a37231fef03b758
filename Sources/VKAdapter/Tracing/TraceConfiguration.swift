public import Sockets

/// Where and what the adapter tells a tracing system.
public struct TraceConfiguration: Sendable, Hashable {
    /// How spans are sent (OpenTelemetry protocol).
    public enum Transport: Sendable, Hashable {
        case grpc
        /// POST of protobuf to this path.
        case http(path: String)
    }

    public var endpoint: Endpoint
    public var transport: Transport
    public var isEncrypted: Bool
    /// PEM authorities of an encrypted one; `nil` trusts the system's.
    public var caFile: String?
    public var headers: [String: String] = [:]
    public var serviceName: String
    public var sampling: TraceSampling

    /// - Parameters:
    ///   - text: `HOST:PORT` for gRPC, or `http://HOST:PORT/PATH`, to which `/v1/traces` is added.
    ///   - isInsecure: no TLS for `HOST:PORT`.
    ///   - wantsGRPC: `true` also where the text is a URL, `false` also where it is none; `nil` as above.
    /// - Returns: `nil` for something else.
    public init?(
        _ text: String, isInsecure: Bool, wantsGRPC: Bool? = nil, serviceName: String, sampling: TraceSampling
    ) {
        self.serviceName = serviceName
        self.sampling = sampling
        var rest = text[...]
        var isURL = true
        if rest.hasPrefix("https://") {
            isEncrypted = true
            rest = rest.dropFirst(8)
        } else if rest.hasPrefix("http://") {
            isEncrypted = false
            rest = rest.dropFirst(7)
        } else {
            isURL = false
            isEncrypted = !isInsecure
        }
        let authority = rest.prefix { $0 != "/" }
        var path = String(rest.dropFirst(authority.count))
        while path.hasSuffix("/") { path.removeLast() }
        let isGRPC = wantsGRPC ?? !isURL
        var host = authority
        var port = isURL && !isGRPC ? (isEncrypted ? 443 : 80) : 4317
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number) else {
                return nil
            }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        endpoint = .tcp(host: String(host), port: port)
        transport = isGRPC ? .grpc : .http(path: path + "/v1/traces")
    }
}
