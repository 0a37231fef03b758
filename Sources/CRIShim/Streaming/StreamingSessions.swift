import NIOCore
import RPC
import Streaming

/// Turns Exec, Attach and PortForward into URLs that a client can reach, whatever way it came.
struct StreamingSessions: Sendable {
    let server: StreamingServer
    let addresses: StreamingAddresses

    func exec(
        _ options: RemoteCommandOptions, for context: CallContext,
        backend: @escaping @Sendable (RemoteCommandIO) async -> RemoteCommandResult
    ) throws -> String {
        try url("exec", for: context, .exec(RemoteCommand(options: options, backend: backend)))
    }

    func attach(
        _ options: RemoteCommandOptions, for context: CallContext,
        backend: @escaping @Sendable (RemoteCommandIO) async -> RemoteCommandResult
    ) throws -> String {
        try url("attach", for: context, .attach(RemoteCommand(options: options, backend: backend)))
    }

    func portForward(
        _ ports: [Int], for context: CallContext,
        backend: @escaping @Sendable (Int, PortConnection) async throws -> Void
    ) throws -> String {
        try url("portforward", for: context, .portForward(PortForward(ports: ports, backend: backend)))
    }

    private func url(_ kind: String, for context: CallContext, _ session: StreamingRequest) throws -> String {
        let base = try addresses.base(for: context)
        return "\(base)/\(kind)/\(try server.register(session))"
    }
}
