import GuestSSH
import Logging
import NIOCore
import VZEngine

/// A guest over SSH.
struct SSHGuest: Guest {
    init(_ config: MachineConfig, at address: GuestAddress, in bundle: MachineBundle, logger: Logger) throws {
        throw VZEngineError(.failed, "not yet")
    }
    func run(_ program: GuestProgramRequest) async throws -> any GuestProgram {
        throw VZEngineError(.failed, "not yet")
    }
    func connect(host: String, port: Int) async throws -> any GuestStream { throw VZEngineError(.failed, "not yet") }
    func listen(port: Int, _ handler: @escaping @Sendable (any GuestStream) async -> Void) async throws {}
    func close() async {}
}
