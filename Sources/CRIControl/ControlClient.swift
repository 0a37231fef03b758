public import Logging
public import NIOCore
import RPC
public import Sockets
public import TLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A client of any CRI v1 endpoint: what the `ctl` commands are made of.
public final class ControlClient: Sendable {
    /// Where it connects, for messages.
    public let endpoint: Endpoint
    /// The deadline of calls that are not known to take long.
    public let timeout: Duration
    /// The deadline of calls that may take long by their nature: pulls, and stops beyond their grace period.
    public let longTimeout: Duration = .seconds(30 * 60)
    let group: any EventLoopGroup
    /// For streaming URLs: they may be on the port of the calls, where the protocol tells the two apart.
    let tls: TLSContext?
    let logger: Logger
    private let client: RPCClient

    /// Connects with the first call.
    /// - Parameter tls: for a runtime that wants TLS; its application protocols are set here.
    /// - Throws: `TLSError` when its files do not hold.
    public init(
        endpoint: Endpoint, tls: TLSClientConfiguration? = nil, timeout: Duration = .seconds(10),
        group: any EventLoopGroup, logger: Logger
    ) throws {
        self.endpoint = endpoint
        self.tls = try Self.context(tls, "http/1.1")
        self.timeout = timeout
        self.group = group
        self.logger = logger
        client = RPCClient(endpoint: endpoint, tls: try Self.context(tls, "h2"), group: group, logger: logger)
    }

    private static func context(_ configuration: TLSClientConfiguration?, _ name: String) throws -> TLSContext? {
        guard var configuration else { return nil }
        configuration.applicationProtocols = [name]
        return try TLSContext.client(configuration)
    }

    public func close() async { await client.close() }

    /// One call.
    /// - Throws: `ControlError`, with the runtime's message.
    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request, timeout: Duration? = nil
    ) async throws -> Response {
        do {
            return try await client.call(method, request, timeout: timeout ?? self.timeout)
        } catch let error as RPCError {
            throw translate(error, method: method.name)
        }
    }

    private func translate(_ error: RPCError, method: String) -> ControlError {
        switch error.code {
        case .unavailable where error.cause != nil:
            // The connection failed, not the call.
            ControlError(
                .unavailable,
                "\(method): nothing usable answers at \(endpoint) (\(Self.reason(error))); "
                    + "is the runtime running? Name another one with --endpoint")
        case .unavailable: ControlError(.unavailable, "\(method): \(error.message)")
        case .unimplemented:
            ControlError(.unsupported, "\(method): this runtime answers UNIMPLEMENTED (\(error.message))")
        case .deadlineExceeded:
            ControlError(.unavailable, "\(method): no answer within the time limit; --timeout sets it")
        case .notFound: ControlError(.notFound, "\(method): \(error.message)")
        case .invalidArgument: ControlError(.invalidArgument, "\(method): \(error.message)")
        default: ControlError(.failed, "\(method): \(error)")
        }
    }

    /// What the system said, where it said something.
    private static func reason(_ error: RPCError) -> String {
        guard let cause = error.cause as? IOError else { return error.message }
        return String(cString: strerror(cause.errnoCode))
    }
}
