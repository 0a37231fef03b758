import CNGHTTP2

/// Header fields for nghttp2: constant ones that live for ever and need no copy, and others that nghttp2 copies while
/// they are submitted.
enum HeaderFields {
    /// Leaked on purpose, once per constant.
    private static func constant(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
        nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8Start),
            value: UnsafeMutablePointer(mutating: value.utf8Start),
            namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
            flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
    }

    // nghttp2_nv holds pointers into static string literals, which never move or change.
    nonisolated(unsafe) static let responseHead = [
        constant(":status", "200"), constant("content-type", "application/grpc"),
    ]
    nonisolated(unsafe) static let unsupportedMediaType = [constant(":status", "415")]
    nonisolated(unsafe) static let okTrailers = [constant("grpc-status", "0")]
    nonisolated(unsafe) static let acceptIdentity = constant("grpc-accept-encoding", "identity")
    nonisolated(unsafe) static let requestHead = [
        constant(":method", "POST"), constant(":scheme", "http"), constant("te", "trailers"),
        constant("content-type", "application/grpc"), constant("user-agent", "vz-cri"),
    ]

    /// The header block of a request with `pairs` after the fields every call has.
    static func request<R>(_ pairs: [(name: String, value: String)], _ body: ([nghttp2_nv]) -> R) -> R {
        // Pseudo-header fields come first (RFC 9113, 8.3).
        let pseudo = pairs.prefix { $0.name.hasPrefix(":") }
        return with([], Array(pseudo)) { pseudoFields in
            with(requestHead, Array(pairs.dropFirst(pseudo.count))) {
                body(Array($0.prefix(2)) + pseudoFields + $0.dropFirst(2))
            }
        }
    }

    /// Calls `body` with `fixed` and the fields of `pairs`, whose memory is valid during the call only.
    static func with<R>(_ fixed: [nghttp2_nv], _ pairs: [(name: String, value: String)], _ body: ([nghttp2_nv]) -> R)
        -> R
    {
        if pairs.isEmpty { return body(fixed) }
        var bytes: [UInt8] = []
        var ranges: [(Int, Int, Int)] = []
        for (name, value) in pairs {
            let start = bytes.count
            bytes += name.utf8
            let middle = bytes.count
            bytes += value.utf8
            ranges.append((start, middle, bytes.count))
        }
        return bytes.withUnsafeMutableBufferPointer { memory in
            let base = memory.baseAddress!
            return body(
                fixed
                    + ranges.map { start, middle, end in
                        nghttp2_nv(
                            name: base + start, value: base + middle, namelen: middle - start, valuelen: end - middle,
                            flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
                    })
        }
    }

    /// The fields of a status: `grpc-status`, the message if there is one, and the trailing metadata.
    static func status(_ error: RPCError) -> [(name: String, value: String)] {
        var fields = [("grpc-status", String(error.code.rawValue))]
        if !error.message.isEmpty { fields.append(("grpc-message", PercentEncoding.encode(error.message))) }
        return fields + error.metadata.entries.map { ($0.name, $0.value) }
    }
}
