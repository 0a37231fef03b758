import NIOCore
import RPC
import Synchronization

/// Where clients find the streaming endpoint. Over a unix socket: a port of its own on the loopback. Over TCP: the port
/// they called, where ALPN tells the two protocols apart.
final class StreamingAddresses: Sendable {
    /// The name or address that clients on other machines reach us by; nil takes the one they connected to.
    private let advertised: String?
    private let loopbackPort = Mutex<Int?>(nil)

    init(advertised: String?) { self.advertised = advertised }

    /// Set once the loopback listener is bound.
    func listening(onLoopbackPort port: Int) {
        loopbackPort.withLock { $0 = port }
    }

    /// `scheme://host:port`
    func base(for context: CallContext) throws -> String {
        switch context.localAddress {
        case .v4(let address)?:
            return "https://\(advertised.map(Self.bracketed) ?? address.host):\(context.localAddress?.port ?? 0)"
        case .v6(let address)?:
            return "https://\(advertised.map(Self.bracketed) ?? "[\(address.host)]"):\(context.localAddress?.port ?? 0)"
        default:
            guard let port = loopbackPort.withLock({ $0 }) else {
                throw ShimError(.unavailable, "the streaming endpoint is not listening yet: try again")
            }
            return "http://127.0.0.1:\(port)"
        }
    }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    }
}
