import NIOCore
import NIOPosix
import Sockets

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Dials the addresses of pods.
struct DirectDialer: PodDialer {
    let group: any EventLoopGroup

    func reach<R: Sendable>(
        _ port: Int, of pod: PodAddress, _ body: @escaping @Sendable (Endpoint) async throws -> R
    ) async throws -> R {
        try Self.checkAddress(pod)
        return try await body(.tcp(host: pod.ip, port: port))
    }

    func check(_ port: Int, of pod: PodAddress, timeout: Duration) async throws {
        try Self.checkAddress(pod)
        try await Self.check(host: pod.ip, port: port, timeout: timeout, group: group)
    }

    private static func checkAddress(_ pod: PodAddress) throws {
        if pod.ip.isEmpty { throw AdapterError(.unavailable, "the pod has no address yet") }
    }

    /// Connects and lets go.
    static func check(host: String, port: Int, timeout: Duration, group: any EventLoopGroup) async throws {
        do {
            let channel = try await ClientBootstrap(group: group)
                .connectTimeout(.nanoseconds(timeout.nanoseconds))
                .connect(host: host, port: port).get()
            channel.close(promise: nil)
        } catch {
            try Task.checkCancellation()
            throw failure("\(host.contains(":") ? "[\(host)]" : host):\(port)", error)
        }
    }

    /// What went wrong with a connection, in the words Go has for it.
    static func failure(_ address: String, _ error: any Error) -> AdapterError {
        let text = "dial tcp \(address)"
        let attempts = error as? NIOConnectionError
        let cause = attempts?.connectionErrors.last?.error ?? error
        if case .connectTimeout? = cause as? ChannelError { return AdapterError(.timedOut, "\(text): i/o timeout") }
        switch (cause as? IOError)?.errnoCode {
        case ECONNREFUSED: return AdapterError(.unavailable, "\(text): connect: connection refused")
        case EHOSTUNREACH: return AdapterError(.unavailable, "\(text): connect: no route to host")
        case ENETUNREACH: return AdapterError(.unavailable, "\(text): connect: network is unreachable")
        case ETIMEDOUT: return AdapterError(.timedOut, "\(text): connect: connection timed out")
        default: break
        }
        if let attempts, attempts.connectionErrors.isEmpty {
            return AdapterError(.unavailable, "\(text): lookup \(attempts.host): no such host")
        }
        return AdapterError(.unavailable, text, cause: error)
    }
}
