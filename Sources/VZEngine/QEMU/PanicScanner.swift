import NIOCore

/// Finds the last words of a Linux kernel in what a guest writes to its console: not every guest has the device by which
/// it could say so properly.
struct PanicScanner {
    private static let words = Array("Kernel panic - not syncing".utf8)
    private var line: [UInt8] = []
    private var isTooLong = false
    /// What the kernel said; the first time counts.
    private(set) var message: String?

    /// - Returns: whether the kernel gave up in these bytes.
    mutating func scan(_ bytes: ByteBuffer) -> Bool {
        guard message == nil else { return false }
        for byte in bytes.readableBytesView {
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                if !isTooLong, let found = Self.panic(in: line) {
                    message = found
                    return true
                }
                line.removeAll(keepingCapacity: true)
                isTooLong = false
            } else if line.count < 512 {
                line.append(byte)
            } else {
                isTooLong = true
            }
        }
        return false
    }

    /// The kernel's words stand at the start of a line, or behind the time alone: `[    9.606418] Kernel panic - …`.
    private static func panic(in line: [UInt8]) -> String? {
        var rest = line[...]
        if rest.first == UInt8(ascii: "["), let end = rest.firstIndex(of: UInt8(ascii: "]")) {
            let stamp = rest[rest.index(after: rest.startIndex)..<end]
            let mayStand = stamp.allSatisfy { byte in
                byte == UInt8(ascii: " ") || byte == UInt8(ascii: ".")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
            guard mayStand else { return nil }
            rest = rest[rest.index(after: end)...].drop { $0 == UInt8(ascii: " ") }
        }
        guard rest.starts(with: words) else { return nil }
        return String(decoding: rest, as: UTF8.self)
    }
}
