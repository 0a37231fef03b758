#if canImport(Darwin)
extension DirectoryHandle {
    /// There are no bind mounts: device numbers tell.
    func mountPoints(at name: String) throws -> [String] { [] }
}
#endif
