#if os(Linux)
/// What is mounted on this host.
enum MountTable {
    /// The mount points below a directory. A bind mount of the same file system has the same device number as what is
    /// around it; only this list tells.
    static func points(below path: String) throws(AdapterError) -> [String] {
        var limit = 1 << 18
        var bytes = try SystemCall.read("/proc/self/mountinfo", limit: limit) ?? []
        while bytes.count == limit, limit < 1 << 26 {
            limit *= 4
            bytes = try SystemCall.read("/proc/self/mountinfo", limit: limit) ?? []
        }
        return points(below: path, in: bytes)
    }

    /// Reads the fifth field of each line (proc(5)), octal escapes undone.
    static func points(below path: String, in table: [UInt8]) -> [String] {
        let prefix = Array(path.utf8) + [UInt8(ascii: "/")]
        return table.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count > 4 else { return nil }
            let point = unescaped(fields[4])
            return point.starts(with: prefix) ? String(decoding: point, as: UTF8.self) : nil
        }
    }

    private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                out.append(code)
                rest = rest.dropFirst(3)
            } else {
                out.append(byte)
            }
        }
        return out
    }
}
#endif
