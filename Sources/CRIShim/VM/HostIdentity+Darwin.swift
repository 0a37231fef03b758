#if canImport(Darwin)
import Darwin

/// Which computer this is, also after it was started anew.
enum HostIdentity {
    static func current() throws -> String {
        var id = [UInt8](repeating: 0, count: 16)
        var wait = timespec(tv_sec: 5, tv_nsec: 0)
        guard gethostuuid(&id, &wait) == 0 else { throw RootDirectory.failure("reading this computer's id", errno) }
        return id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
#endif
