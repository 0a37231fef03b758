#if os(Linux)
extension HostPlatform.System {
    static var running: HostPlatform.System { .linux }
}
#endif
