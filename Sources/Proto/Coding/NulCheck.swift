import CProtobufC

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Walks wire bytes by their descriptor and refuses a NUL inside a string, which protobuf-c would cut there.
/// What is malformed is left for protobuf-c to refuse.
enum NulCheck {
    static func check(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
    ) throws(WireError) {
        var reader = Reader(bytes: bytes)
        while let tag = reader.varint() {
            guard let number = UInt32(exactly: tag >> 3) else { return }
            switch tag & 7 {
            case 0: guard reader.varint() != nil else { return }
            case 1: guard reader.skip(8) else { return }
            case 5: guard reader.skip(4) else { return }
            case 2:
                guard let length = reader.varint(), let content = reader.take(length) else { return }
                guard let field = protobuf_c_message_descriptor_get_field(descriptor, number) else { continue }
                switch field.pointee.type {
                case PROTOBUF_C_TYPE_STRING:
                    if let base = content.baseAddress, memchr(base, 0, content.count) != nil {
                        let place =
                            "\(String(cString: descriptor.pointee.short_name)).\(String(cString: field.pointee.name))"
                        throw WireError("\(place) holds a NUL byte; no string on this wire may")
                    }
                case PROTOBUF_C_TYPE_MESSAGE:
                    try check(
                        content, field.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self))
                default: break
                }
            default: return
            }
        }
    }

    private struct Reader {
        var bytes: UnsafeRawBufferPointer
        var position = 0

        init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        mutating func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while position < bytes.count, shift < 64 {
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }

        mutating func skip(_ count: Int) -> Bool {
            guard bytes.count - position >= count else { return false }
            position += count
            return true
        }

        mutating func take(_ count: UInt64) -> UnsafeRawBufferPointer? {
            guard let count = Int(exactly: count), bytes.count - position >= count else { return nil }
            defer { position += count }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
        }
    }
}
