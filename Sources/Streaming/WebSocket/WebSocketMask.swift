import NIOCore

/// What a client's payload is masked with (RFC 6455, 5.3).
struct WebSocketMask: Equatable {
    private let bytes: [UInt8]

    /// - Parameter key: its first byte is the highest.
    init(_ key: UInt32) { bytes = withUnsafeBytes(of: key.bigEndian) { Array($0) } }

    /// Masks or unmasks.
    /// - Parameter offset: of the bytes in their payload.
    func applied(to payload: ByteBuffer, from offset: Int = 0) -> ByteBuffer {
        // Eight bytes at a time, the key turned so that it starts where the payload does.
        let turned = (0..<8).map { bytes[(offset + $0) % 4] }
        let word = turned.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        var masked = ByteBuffer()
        masked.writeWithUnsafeMutableBytes(minimumWritableBytes: payload.readableBytes) { out in
            payload.withUnsafeReadableBytes { source in
                let whole = source.count & ~7
                for index in stride(from: 0, to: whole, by: 8) {
                    let value = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    out.storeBytes(of: value ^ word, toByteOffset: index, as: UInt64.self)
                }
                for index in whole..<source.count { out[index] = source[index] ^ turned[index & 7] }
                return source.count
            }
        }
        return masked
    }
}
