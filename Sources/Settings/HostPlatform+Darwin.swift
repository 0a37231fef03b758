#if canImport(Darwin)
extension HostPlatform.System {
    static var running: HostPlatform.System { .macOS }
}
#endif
