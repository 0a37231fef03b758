import HTTP
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import Proto
import RPC
import Sockets
import TLS

/// The container a probe or a hook is for, and where it is.
struct HandlerTarget: Sendable {
    var pod: Pod
    var container: Container
    var containerID: String
    var address: PodAddress

    /// The number of a port, or of the container's port of that name.
    func number(_ port: IntOrString) -> Int? {
        let number: Int
        switch port {
        case .int(let value): number = Int(value)
        case .string(let name):
            if let named = container.ports.first(where: { $0.name == name }) {
                number = Int(named.containerPort)
            } else {
                number = Int(name) ?? 0
            }
        }
        return (1...65535).contains(number) ? number : nil
    }

    /// A command with the references to variables whose value stands in the manifest.
    func expanded(_ command: [String]) -> [String] {
        var plain = Container()
        plain.env = container.env.filter { $0.valueFrom == nil }
        do {
            let environment = try Environment(pod, plain, podIPs: [], MappingContext())
            return command.map(environment.expand)
        } catch {
            // Plain values cannot fail.
            return command
        }
    }
}

/// Does what probes and hooks say: runs commands, asks over HTTP, TCP and gRPC.
struct HandlerRunner: Sendable {
    let provider: any Provider
    let dialer: any PodDialer
    /// For HTTPS: nobody's certificate is checked, as with a kubelet.
    var tls: TLSContext?
    let group: any EventLoopGroup
    let logger: Logger

    /// How a request over HTTP ended.
    struct HTTPAnswer: Sendable {
        var status: Int
        var location: String?
        var body: String
    }

    // MARK: HTTP

    private struct URL {
        var isTLS: Bool
        var host: String
        var port: Int
        var target: String
        var authority: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
        var text: String { "\(isTLS ? "https" : "http")://\(authority)\(target)" }
    }

    /// - Returns: the answer, redirects on the same host followed, and what the first request was.
    func get(_ action: HTTPGetAction, _ target: HandlerTarget, defaultAgent: String, timeout: Duration)
        async throws -> HTTPAnswer
    {
        guard let port = target.number(action.port) else {
            throw AdapterError(.invalidArgument, "couldn't find port: \(action.port)")
        }
        let start = URL(
            isTLS: action.scheme.uppercased() == "HTTPS", host: action.host.isEmpty ? target.address.ip : action.host,
            port: port, target: Self.encoded(action.path))
        var headers = HTTPHeaders()
        for header in action.httpHeaders { headers.add(name: header.name, value: header.value) }
        if !headers.contains(name: "user-agent") { headers.add(name: "user-agent", value: defaultAgent) }
        if !headers.contains(name: "accept") { headers.add(name: "accept", value: "*/*") }
        // A header without a value asks for none.
        for name in ["user-agent", "accept"] where headers.first(name: name)?.isEmpty == true {
            headers.remove(name: name)
        }
        let hasHost = headers.contains(name: "host")
        headers.replaceOrAdd(name: "connection", value: "close")
        let isPod = action.host.isEmpty || action.host == target.address.ip
        let (first, fixed) = (start.text, headers)
        return try await withDeadline(
            timeout,
            "Get \"\(first)\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        ) {
            var url = start
            var headers = fixed
            for _ in 0..<10 {
                if !hasHost { headers.replaceOrAdd(name: "host", value: url.authority) }
                let (now, sent) = (url, headers)
                let answer: HTTPAnswer
                if isPod {
                    answer = try await dialer.reach(url.port, of: target.address) { endpoint in
                        try await send(now, sent, endpoint, timeout)
                    }
                } else {
                    answer = try await send(now, sent, .tcp(host: url.host, port: url.port), timeout)
                }
                guard (300..<400).contains(answer.status), let location = answer.location,
                    let next = Self.redirected(url, location)
                else { return answer }
                url = next
            }
            throw AdapterError(.failed, "Get \"\(first)\": stopped after 10 redirects")
        }
    }

    private func send(_ url: URL, _ headers: HTTPHeaders, _ endpoint: Endpoint, _ timeout: Duration)
        async throws -> HTTPAnswer
    {
        var options = HTTPClientOptions()
        options.connectTimeout = .nanoseconds(timeout.nanoseconds)
        options.idleConnections = 0
        let client = HTTPClient(endpoint: endpoint, tls: url.isTLS ? tls : nil, options: options, group: group)
        do {
            let response = try await client.execute(
                .GET, url.target, headers: headers, timeout: .nanoseconds(timeout.nanoseconds))
            var body = ByteBuffer()
            for try await var bytes in response.body {
                body.writeBuffer(&bytes)
                if body.readableBytes >= 10 << 10 { break }
            }
            await client.close()
            return HTTPAnswer(
                status: Int(response.status.code), location: response.headers.first(name: "location"),
                body: String(buffer: body.getSlice(at: 0, length: min(body.readableBytes, 10 << 10)) ?? ByteBuffer()))
        } catch let error as HTTPError {
            await client.close()
            let detail: String
            switch error.code {
            case .timedOut: detail = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            case .unavailable: detail = DirectDialer.failure(url.authority, error.cause ?? error).description
            case .connectionLost: detail = "EOF"
            default: detail = "\(error)"
            }
            throw AdapterError(.failed, "Get \"\(url.text)\": \(detail)")
        }
    }

    /// A target a request can carry: what may not stand there is encoded, a fragment is left out.
    static func encoded(_ path: String) -> String {
        let text = path.prefix { $0 != "#" }
        var result = text.hasPrefix("/") ? "" : "/"
        let hex = Array("0123456789ABCDEF".unicodeScalars)
        for byte in text.utf8 {
            switch byte {
            case 0x21...0x7E where byte != 0x22 && byte != 0x3C && byte != 0x3E:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%"
                result.unicodeScalars.append(hex[Int(byte >> 4)])
                result.unicodeScalars.append(hex[Int(byte & 15)])
            }
        }
        return result
    }

    /// Where a redirect leads; `nil` when that is another host, which is not followed.
    private static func redirected(_ url: URL, _ location: String) -> URL? {
        var next = url
        if location.hasPrefix("/"), !location.hasPrefix("//") {
            next.target = encoded(location)
            return next
        }
        guard location.hasPrefix("http://") || location.hasPrefix("https://"),
            let parsed = RuntimeURL(location, defaultHost: url.host), case .tcp(let host, let port) = parsed.endpoint
        else { return nil }
        guard host == url.host else { return nil }
        return URL(isTLS: parsed.isTLS, host: host, port: port, target: encoded(parsed.target))
    }

    // MARK: gRPC

    /// - Returns: what the service says of itself, as the protocol names it.
    func health(_ action: GRPCAction, _ target: HandlerTarget, timeout: Duration) async throws -> String {
        guard let port = target.number(.int(action.port)) else {
            throw AdapterError(.invalidArgument, "\(action.port) is no port")
        }
        let late =
            "timeout: failed to connect service \"\(target.address.ip):\(port)\" within "
            + "\(WaitingReason.goText(timeout)): context deadline exceeded"
        return try await withDeadline(timeout, late) {
            try await dialer.reach(port, of: target.address) { endpoint in
                let client = RPCClient(endpoint: endpoint, group: group, logger: logger)
                do {
                    let answer = try await client.call(
                        HealthCall.check, HealthCall.Request(service: action.service ?? ""),
                        timeout: timeout)
                    await client.close()
                    return answer.name
                } catch let error as RPCError {
                    await client.close()
                    switch error.code {
                    case .unimplemented:
                        throw AdapterError(.failed, "error: this server does not implement the grpc health protocol")
                    case .deadlineExceeded: throw AdapterError(.timedOut, late)
                    case .unavailable:
                        throw AdapterError(
                            .unavailable,
                            "error: failed to connect service at \"\(target.address.ip):\(port)\": \(error.message)")
                    default: throw AdapterError(.failed, "error: health rpc probe failed: \(error)")
                    }
                }
            }
        }
    }

    // MARK: Commands

    /// - Returns: the exit code and what the command said.
    func exec(_ action: ExecAction, _ target: HandlerTarget, timeout: Duration?) async throws -> (Int32, String) {
        let answer = try await provider.execSync(
            target.containerID, target.expanded(action.command), timeout: timeout)
        let output = answer.stdout + answer.stderr
        return (answer.exitCode, String(decoding: output.prefix(10 << 10), as: UTF8.self))
    }
}
