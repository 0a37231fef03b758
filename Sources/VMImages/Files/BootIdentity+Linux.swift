#if os(Linux)
/// Which run of the system this is.
enum BootIdentity {
    /// Never the same after a crash of the system. Blocks shortly.
    static func read() throws -> String {
        let path = "/proc/sys/kernel/random/boot_id"
        // The file says that it has no size.
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = try bytes.withUnsafeMutableBytes { try OpenFile.reading(path).read($0, at: 0) }
        let text = bytes.prefix(count).filter { $0 > 0x20 }
        guard !text.isEmpty else { throw VMImageError(.failed, "\(path) is empty") }
        return String(decoding: text, as: UTF8.self)
    }
}
#endif
