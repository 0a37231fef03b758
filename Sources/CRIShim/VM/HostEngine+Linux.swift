#if os(Linux)
extension HostEngine {
    static let current = HostEngine.qemu
}
#endif
