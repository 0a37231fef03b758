#if os(Linux)
extension PodDialing {
    /// Containers run on this machine.
    static let sharesNetwork = true
}
#endif
