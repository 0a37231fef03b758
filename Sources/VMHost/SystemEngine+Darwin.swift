#if os(macOS)
import Logging
import NIOCore
import VZEngine

/// The engine of this system.
enum SystemEngine {
    static func make(group: any EventLoopGroup, logger: Logger) -> any MachineEngine { NoEngine() }
}

private struct NoEngine: MachineEngine {
    func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        throw VZEngineError(.startFailed, "this vm-host was built without Virtualization.framework")
    }
}
#endif
