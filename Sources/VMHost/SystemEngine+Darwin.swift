#if os(macOS)
public import Logging
public import VZEngine

/// The engine of this system.
public enum SystemEngine {
    public static func make(logger: Logger) -> any MachineEngine { NoEngine() }
}

private struct NoEngine: MachineEngine {
    func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        throw VZEngineError(.startFailed, "this vm-host was built without Virtualization.framework")
    }
}
#endif
