#if os(macOS)
import Darwin
import Sockets

extension SystemFacts {
    /// The hardware's UUID.
    static var machineID: String {
        var id: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        var wait = timespec(tv_sec: 5, tv_nsec: 0)
        let isKnown = withUnsafeMutableBytes(of: &id) { bytes in
            gethostuuid(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), &wait) == 0
        }
        guard isKnown else { return "" }
        let digits = withUnsafeBytes(of: id) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
        }
        let parts = [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
        return parts.map { $0.joined() }.joined(separator: "-")
    }

    static var bootID: String { value("kern.bootsessionuuid") ?? "" }
    static var osImage: String? { value("kern.osproductversion").map { "macOS \($0)" } }

    /// Docker runs containers in a virtual machine, whose kernel is not asked.
    static func hasAppArmor(of runtime: Endpoint) -> Bool? { nil }

    private static func value(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
#endif
