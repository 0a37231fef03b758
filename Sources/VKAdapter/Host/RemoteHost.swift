import Proto
import RPC

/// The host of a runtime, reached through `vzcri.v1.HostService`.
struct RemoteHost: Sendable {
    /// Deadlines of calls.
    struct Timeouts: Sendable {
        /// Calls that read and write a few files.
        var short: Duration = .seconds(30)
        /// Adding up or removing what containers may have made a lot of.
        var long: Duration = .seconds(240)
    }

    let client: RPCClient
    /// Whose pods' files are meant: a host may serve several nodes.
    let nodeName: String
    var timeouts = Timeouts()

    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request, _ attempt: String, _ timeout: Duration? = nil
    ) async throws(AdapterError) -> Response {
        do {
            return try await client.call(method, request, timeout: timeout ?? timeouts.short)
        } catch {
            throw Self.error(error, attempt)
        }
    }

    static func error(_ error: any Error, _ attempt: String) -> AdapterError {
        guard let error = error as? RPCError else {
            return error as? AdapterError ?? AdapterError(.failed, "cannot \(attempt)", cause: error)
        }
        let code: AdapterError.Code =
            switch error.code {
            case .unavailable: .unavailable
            case .notFound: .notFound
            case .unimplemented: .unimplemented
            case .invalidArgument: .invalidArgument
            default: .failed
            }
        // What the host says of the pod's own mistakes is for the user; the rest says where it went wrong.
        if code == .invalidArgument { return AdapterError(code, error.message) }
        return AdapterError(code, "cannot \(attempt)", cause: error)
    }
}
