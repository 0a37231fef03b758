#if canImport(Darwin)
extension HostEngine {
    static let current = HostEngine.apple
}
#endif
