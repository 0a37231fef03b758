#if canImport(Darwin)
extension HostCounts {
    /// An engine's containers are never processes of a Mac.
    static func of(_ container: String, process: Int) throws -> HostCounts? { nil }
}
#endif
