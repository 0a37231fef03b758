#if canImport(Darwin)
import Darwin

/// Which run of the system this is.
enum BootIdentity {
    /// Never the same after a crash of the system.
    static func read() throws -> String {
        var text = [CChar](repeating: 0, count: 128)
        var size = text.count
        guard sysctlbyname("kern.bootsessionuuid", &text, &size, nil, 0) == 0 else {
            throw VMImageError.system("find out which run of the system this is")
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
#endif
