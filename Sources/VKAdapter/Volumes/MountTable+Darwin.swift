#if canImport(Darwin)
/// What is mounted on this host.
enum MountTable {
    /// The mount points below a directory that a device number would not show: there are no bind mounts here.
    static func points(below path: String) throws(AdapterError) -> [String] { [] }
}
#endif
