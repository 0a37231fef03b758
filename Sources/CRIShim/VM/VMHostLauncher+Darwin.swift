#if canImport(Darwin)
extension VMHostLauncher {
    /// Virtualization.framework is part of the system.
    static func missingEngine() -> String? { nil }
}
#endif
