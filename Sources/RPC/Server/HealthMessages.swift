import NIOCore

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
enum HealthStatus: UInt8, Sendable {
    case unknown = 0
    case serving = 1
    case notServing = 2
    case serviceUnknown = 3
}

// Two messages of one field each. They are coded here because this room knows no generated messages.

/// `string service = 1`
struct HealthRequest: RPCMessage, Equatable {
    static let check = UnaryMethod<Self, HealthResponse>(service: "grpc.health.v1.Health", name: "Check")
    static let watch = ServerStreamingMethod<Self, HealthResponse>(service: "grpc.health.v1.Health", name: "Watch")

    var service = ""

    init(service: String = "") { self.service = service }

    init(wireBytes: UnsafeRawBufferPointer) throws {
        var reader = FieldReader(bytes: wireBytes)
        while let field = try reader.next() {
            guard case .bytes(1, let bytes) = field else { continue }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw RPCError(.invalidArgument, "the service name is not UTF-8")
            }
            service = text
        }
    }

    func appendWireBytes(to buffer: inout ByteBuffer) {
        guard !service.isEmpty else { return }
        buffer.writeInteger(0x0a as UInt8)
        var length = service.utf8.count
        while length > 0x7f {
            buffer.writeInteger(UInt8(length & 0x7f | 0x80))
            length >>= 7
        }
        buffer.writeInteger(UInt8(length))
        buffer.writeString(service)
    }
}

/// `ServingStatus status = 1`
struct HealthResponse: RPCMessage, Equatable {
    var status = HealthStatus.unknown

    init(status: HealthStatus = .unknown) { self.status = status }

    init(wireBytes: UnsafeRawBufferPointer) throws {
        var reader = FieldReader(bytes: wireBytes)
        while let field = try reader.next() {
            if case .number(1, let value) = field {
                status = UInt8(exactly: value).flatMap(HealthStatus.init) ?? .unknown
            }
        }
    }

    func appendWireBytes(to buffer: inout ByteBuffer) {
        guard status != .unknown else { return }
        buffer.writeBytes([0x08, status.rawValue])
    }
}

/// Walks the fields of a protobuf message.
private struct FieldReader {
    enum Field {
        case number(UInt64, UInt64)
        case bytes(UInt64, UnsafeRawBufferPointer)
        case skipped
    }

    let bytes: UnsafeRawBufferPointer
    var index = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func next() throws(RPCError) -> Field? {
        guard index < bytes.count else { return nil }
        let tag = try varint()
        switch tag & 7 {
        case 0: return .number(tag >> 3, try varint())
        case 1: _ = try take(8)
        case 5: _ = try take(4)
        case 2:
            let length = try varint()
            return .bytes(tag >> 3, try take(Int(clamping: length)))
        default: throw Self.malformed
        }
        return .skipped
    }

    private mutating func take(_ count: Int) throws(RPCError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - index else { throw Self.malformed }
        defer { index += count }
        return UnsafeRawBufferPointer(rebasing: bytes[index..<index + count])
    }

    private mutating func varint() throws(RPCError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0 as UInt64, to: 64, by: 7) {
            let byte = try take(1)[0]
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw Self.malformed
    }

    private static var malformed: RPCError { RPCError(.invalidArgument, "the message is malformed") }
}
