/// A ustar archive in memory: enough for an image of one file.
struct TarArchive {
    private(set) var bytes: [UInt8] = []

    /// Adds a regular file owned by root.
    mutating func add(file name: String, mode: Int, contents: [UInt8]) {
        bytes += Self.header(name: name, mode: mode, size: contents.count)
        bytes += contents
        bytes += [UInt8](repeating: 0, count: (512 - contents.count % 512) % 512)
    }

    /// The archive with its end marker.
    func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private static func header(name: String, mode: Int, size: Int) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ value: Int, digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(octal(mode, digits: 7), at: 100)
        put(octal(0, digits: 7), at: 108)
        put(octal(0, digits: 7), at: 116)
        put(octal(size, digits: 11), at: 124)
        put(octal(0, digits: 11), at: 136)
        put("        ", at: 148)  // the checksum counts itself as spaces
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, digits: 6), at: 148)
        header[154] = 0
        return header
    }
}
