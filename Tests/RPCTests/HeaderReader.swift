import CNGHTTP2

/// Decodes what a server sent with an independent reader: frames by hand, header blocks by nghttp2's HPACK decoder.
enum HeaderReader {
    static func fields(of bytes: [UInt8]) -> [String: String] {
        var inflater: OpaquePointer?
        nghttp2_hd_inflate_new(&inflater)
        defer { nghttp2_hd_inflate_del(inflater) }
        var fields: [String: String] = [:]
        var index = 0
        while index + 9 <= bytes.count {
            let length = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
            let end = index + 9 + length
            guard end <= bytes.count else { break }
            if bytes[index + 3] == 1 { inflate(inflater, Array(bytes[(index + 9)..<end]), &fields) }
            index = end
        }
        return fields
    }

    private static func inflate(_ inflater: OpaquePointer?, _ block: [UInt8], _ fields: inout [String: String]) {
        var rest = block[...]
        while true {
            var field = nghttp2_nv()
            var flags: Int32 = 0
            let used = Array(rest).withUnsafeBufferPointer {
                nghttp2_hd_inflate_hd2(inflater, &field, &flags, $0.baseAddress, $0.count, 1)
            }
            guard used >= 0 else { return }
            rest = rest.dropFirst(used)
            if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                let name = String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self)
                fields[name] = String(
                    decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
            }
            if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
                nghttp2_hd_inflate_end_headers(inflater)
                return
            }
            if used == 0 && flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { return }
        }
    }
}
