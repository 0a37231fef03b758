#if os(Linux)
extension ThisHost {
    public var system: HostSystem { .linux }
}
#endif
