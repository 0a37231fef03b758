#if canImport(Darwin)
extension InterfaceCounters {
    /// There are no network namespaces: whose traffic it was is not known.
    public static func ofNamespace(ofProcess id: Int32) throws -> [InterfaceCounters] { [] }
}
#endif
