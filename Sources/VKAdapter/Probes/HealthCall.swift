import NIOCore
import RPC

/// `grpc.health.v1.Health/Check`, as a client asks it.
enum HealthCall {
    static let check = UnaryMethod<Request, Response>(service: "grpc.health.v1.Health", name: "Check")

    /// `string service = 1`
    struct Request: RPCMessage {
        var service: String

        init(service: String) { self.service = service }

        init(wireBytes: UnsafeRawBufferPointer) throws {
            throw RPCError(.unimplemented, "a health request is only sent, never read")
        }

        func appendWireBytes(to buffer: inout ByteBuffer) throws {
            guard !service.isEmpty else { return }
            buffer.writeInteger(0x0A as UInt8)
            var length = service.utf8.count
            while length > 0x7F {
                buffer.writeInteger(UInt8(length & 0x7F | 0x80))
                length >>= 7
            }
            buffer.writeInteger(UInt8(length))
            buffer.writeString(service)
        }
    }

    /// `ServingStatus status = 1`
    struct Response: RPCMessage {
        var status: UInt64 = 0

        init(wireBytes: UnsafeRawBufferPointer) throws {
            var bytes = wireBytes[...]
            func varint() throws -> UInt64 {
                var value: UInt64 = 0
                for shift in stride(from: UInt64(0), to: 64, by: 7) {
                    guard let byte = bytes.popFirst() else { throw Self.malformed }
                    value |= UInt64(byte & 0x7F) << shift
                    if byte < 0x80 { return value }
                }
                throw Self.malformed
            }
            func skip(_ count: UInt64) throws {
                guard count <= UInt64(bytes.count) else { throw Self.malformed }
                bytes = bytes.dropFirst(Int(count))
            }
            while !bytes.isEmpty {
                let tag = try varint()
                switch tag & 7 {
                case 0:
                    let value = try varint()
                    if tag >> 3 == 1 { status = value }
                case 1: try skip(8)
                case 2: try skip(try varint())
                case 5: try skip(4)
                default: throw Self.malformed
                }
            }
        }

        func appendWireBytes(to buffer: inout ByteBuffer) throws {
            guard status != 0 else { return }
            buffer.writeInteger(0x08 as UInt8)
            buffer.writeInteger(UInt8(truncatingIfNeeded: status & 0x7F))
        }

        private static var malformed: RPCError { RPCError(.internalError, "the answer is no health response") }

        /// As the protocol names it.
        var name: String {
            switch status {
            case 1: "SERVING"
            case 2: "NOT_SERVING"
            case 3: "SERVICE_UNKNOWN"
            default: "UNKNOWN"
            }
        }
    }
}
