#if canImport(Darwin)
extension PodDialing {
    /// Docker's containers run in a virtual machine that nobody dials into.
    static let sharesNetwork = false
}
#endif
