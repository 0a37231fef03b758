#if os(Linux)
public import Logging
public import VZEngine

/// The engine of this system.
public enum SystemEngine {
    public static func make(logger: Logger) -> any MachineEngine { NoEngine() }
}

private struct NoEngine: MachineEngine {
    func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        throw VZEngineError(.startFailed, "this build has no engine")
    }
}
#endif
