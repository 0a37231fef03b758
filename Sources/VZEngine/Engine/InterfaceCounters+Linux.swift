#if os(Linux)
extension InterfaceCounters {
    /// Of the network namespace that a process is in; blocks for a moment.
    public static func ofNamespace(ofProcess id: Int32) throws -> [InterfaceCounters] {
        parse(try SystemFile.text("/proc/\(id)/net/dev"))
    }
}
#endif
