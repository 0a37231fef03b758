#if canImport(Darwin)
/// A Mac has no file systems in memory that a directory could be replaced by: the directory on disk serves.
enum MemoryVolume {
    static func mount(on directory: DirectoryHandle, at path: String, size: UInt64?) throws -> Bool { false }
    static func unmount(_ path: String) throws {}
}
#endif
