#if os(Linux)
public import Logging
public import VZEngine

/// The engine of this system.
public enum SystemEngine {
    public static func make(logger: Logger) -> any MachineEngine { QEMUEngine(logger: logger) }
}
#endif
