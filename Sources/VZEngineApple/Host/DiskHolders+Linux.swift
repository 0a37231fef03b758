#if os(Linux)
import Foundation

/// For the tests' double, whose machines have such processes too.
extension DiskHolders {
    static func numbers(holding path: String) -> [Int32] {
        let files = FileManager.default
        guard let names = try? files.contentsOfDirectory(atPath: "/proc") else { return [] }
        return names.compactMap { Int32($0) }.filter { id in
            // It may have ended meanwhile, or be another user's.
            guard let open = try? files.contentsOfDirectory(atPath: "/proc/\(id)/fd") else { return false }
            return open.contains { (try? files.destinationOfSymbolicLink(atPath: "/proc/\(id)/fd/\($0)")) == path }
        }
    }

    static func otherMachines() -> [Int32] { [] }
}
#endif
