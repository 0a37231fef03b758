import NIOCore

/// Writes frames; a message is always one frame.
struct WebSocketEncoder {
    /// A client masks what it sends; a server must not.
    let masks: Bool

    /// - Parameter prefix: bytes of the payload that come first.
    func encode(
        _ opcode: WebSocketOpcode, prefix: [UInt8] = [], _ payload: ByteBuffer = ByteBuffer(),
        into out: inout ByteBuffer
    ) {
        let length = prefix.count + payload.readableBytes
        out.reserveCapacity(minimumWritableBytes: length + 14)
        out.writeInteger(0x80 | opcode.rawValue)
        let mask: UInt8 = masks ? 0x80 : 0
        switch length {
        case ..<126: out.writeInteger(mask | UInt8(length))
        case ..<65536:
            out.writeInteger(mask | 126)
            out.writeInteger(UInt16(length))
        default:
            out.writeInteger(mask | 127)
            out.writeInteger(UInt64(length))
        }
        guard masks else {
            out.writeBytes(prefix)
            out.writeImmutableBuffer(payload)
            return
        }
        let key = UInt32.random(in: .min ... .max)
        out.writeInteger(key)
        var plain = ByteBuffer(bytes: prefix)
        plain.writeImmutableBuffer(payload)
        out.writeImmutableBuffer(WebSocketMask(key).applied(to: plain))
    }

    /// - Parameter code: nil sends none.
    func encodeClose(_ code: UInt16?, reason: String, into out: inout ByteBuffer) {
        var payload = ByteBuffer()
        if let code {
            payload.writeInteger(code)
            var text = reason
            while text.utf8.count > WebSocketDecoder.controlLimit - 2 { text.removeLast() }
            payload.writeString(text)
        }
        encode(.close, payload, into: &out)
    }
}
