/// One entry's head in a tar archive as GNU's has it: what GNU's, busybox's, toybox's and macOS's tar all read.
struct TarHeader {
    enum Kind: UInt8 {
        case file = 0x30
        case hardLink = 0x31
        case link = 0x32
        case directory = 0x35
    }

    /// Bytes as the file system has them, which need not be text.
    var name: [UInt8]
    var kind: Kind
    var mode: UInt32
    var userID: UInt32
    var groupID: UInt32
    var size: Int64 = 0
    /// Seconds since 1970.
    var modified: Int64 = 0
    /// Of a link: what it leads to.
    var target: [UInt8] = []

    static let block = 512

    /// How many bytes fill up a content of this size.
    static func padding(after size: Int64) -> Int { (block - Int(size % Int64(block))) % block }

    /// One block, and more before it where a name does not fit.
    func append(to bytes: inout [UInt8]) {
        if target.count > 100 { Self.appendLong(target, type: "K", to: &bytes) }
        if name.count > 100 { Self.appendLong(name, type: "L", to: &bytes) }
        bytes += encoded
    }

    private static func appendLong(_ name: [UInt8], type: Unicode.Scalar, to bytes: inout [UInt8]) {
        var header = TarHeader(
            name: Array("././@LongLink".utf8), kind: .file, mode: 0o644, userID: 0, groupID: 0,
            size: Int64(name.count) + 1
        ).encoded
        header[156] = UInt8(ascii: type)
        sign(&header)
        bytes += header
        bytes += name
        bytes += [UInt8](repeating: 0, count: 1 + padding(after: Int64(name.count) + 1))
    }

    private var encoded: [UInt8] {
        var header = [UInt8](repeating: 0, count: Self.block)
        func put(_ bytes: some Collection<UInt8>, at offset: Int) {
            header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        put(name.prefix(100), at: 0)
        put(Self.number(Int64(mode & 0o7777), length: 8), at: 100)
        put(Self.number(Int64(userID), length: 8), at: 108)
        put(Self.number(Int64(groupID), length: 8), at: 116)
        put(Self.number(size, length: 12), at: 124)
        put(Self.number(max(0, modified), length: 12), at: 136)
        header[156] = kind.rawValue
        put(target.prefix(100), at: 157)
        put("ustar  ".utf8, at: 257)
        Self.sign(&header)
        return header
    }

    /// Octal; what is too large for that in binary, as GNU does it.
    private static func number(_ value: Int64, length: Int) -> [UInt8] {
        let digits = Array(String(value, radix: 8).utf8)
        if digits.count < length {
            return [UInt8](repeating: UInt8(ascii: "0"), count: length - 1 - digits.count) + digits + [0]
        }
        var bytes = (0..<length).map { index in
            let shift = (length - 1 - index) * 8
            return shift < 64 ? UInt8(truncatingIfNeeded: value >> Int64(shift)) : 0
        }
        bytes[0] |= 0x80
        return bytes
    }

    /// The checksum counts itself as spaces.
    private static func sign(_ header: inout [UInt8]) {
        header.replaceSubrange(148..<156, with: [UInt8](repeating: UInt8(ascii: " "), count: 8))
        let sum = header.reduce(0) { $0 + Int64($1) }
        header.replaceSubrange(148..<155, with: number(sum, length: 7))
    }
}
