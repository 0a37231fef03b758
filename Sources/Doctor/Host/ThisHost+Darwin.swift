#if canImport(Darwin)
extension ThisHost {
    public var system: HostSystem { .macOS }
}
#endif
