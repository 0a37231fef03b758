import CProtobufC
import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A message that protobuf-c codes: it moves between its Swift value and its C struct.
protocol WireMessage {
    /// The struct protoc-c generated for the message.
    associatedtype C
    static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }
    init(c: UnsafePointer<C>) throws(WireError)
    /// Sets what differs from the defaults that `c` already holds.
    func fill(_ c: UnsafeMutablePointer<C>, _ arena: Arena) throws(WireError)
}

enum WireCoding {
    /// A message may ask for this many times its size while it is decoded, and for this much at least.
    private static let amplification = 32
    private static let leastDecodingMemory = 1 << 20

    static func decode<M: WireMessage>(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> M {
        // C strings end at the first NUL; where a zero byte occurs at all, make sure that none is inside a string.
        if let base = bytes.baseAddress, memchr(base, 0, bytes.count) != nil {
            try NulCheck.check(bytes, M.descriptor)
        }
        let arena = Arena(
            capacity: bytes.count * 4 + 512,
            limit: max(leastDecodingMemory, bytes.count.multipliedReportingOverflow(by: amplification).partialValue))
        return try withExtendedLifetime(arena) { () throws(WireError) -> M in
            var allocator = ProtobufCAllocator(
                alloc: { data, size in Unmanaged<Arena>.fromOpaque(data!).takeUnretainedValue().allocate(size) },
                free: { _, _ in },
                allocator_data: Unmanaged.passUnretained(arena).toOpaque())
            let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            guard let message = protobuf_c_message_unpack(M.descriptor, &allocator, bytes.count, data) else {
                throw WireError(
                    "the bytes are no \(String(cString: M.descriptor.pointee.name)): truncated, malformed or absurdly large"
                )
            }
            return try M(c: UnsafeRawPointer(message).assumingMemoryBound(to: M.C.self))
        }
    }

    static func encode<M: WireMessage>(_ value: M, to buffer: inout ByteBuffer) throws(WireError) {
        let arena = Arena(capacity: 2048)
        let message = UnsafeMutableRawPointer(try arena.message(value)).assumingMemoryBound(to: ProtobufCMessage.self)
        let size = protobuf_c_message_get_packed_size(message)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { target in
            guard size > 0 else { return 0 }
            return protobuf_c_message_pack(message, target.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        withExtendedLifetime(arena) {}
    }

    static func string(_ c: UnsafePointer<CChar>?, _ place: StaticString) throws(WireError) -> String {
        guard let c, c[0] != 0 else { return "" }
        guard let string = String(validatingCString: c) else {
            throw WireError("\(place) is not UTF-8")
        }
        return string
    }

    static func bytes(_ c: ProtobufCBinaryData) -> [UInt8] {
        Array(UnsafeBufferPointer(start: c.data, count: c.len))
    }
}
