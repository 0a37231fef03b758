#if canImport(Darwin)
import Darwin

extension BlockSharing {
    /// This system's.
    public static let system = BlockSharing.clonefile { Darwin.clonefile($0, $1, $2) }
}
#endif
