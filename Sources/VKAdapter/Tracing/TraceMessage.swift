import NIOCore
import RPC

/// `ExportTraceServiceRequest` of the OpenTelemetry protocol 1.x, in protobuf.
struct TraceMessage: Sendable, Hashable {
    var service: String
    var node: String
    var version: String
    var spans: [Span]

    var bytes: [UInt8] {
        var resource = ProtobufWriter()
        for (name, value) in [
            ("service.name", service), ("service.version", version), ("k8s.node.name", node),
        ] where !value.isEmpty {
            resource.message(1, Self.attribute(name, value))
        }
        var scope = ProtobufWriter()
        scope.string(1, "vk-adapter")
        scope.string(2, version)
        var ofScope = ProtobufWriter()
        ofScope.message(1, scope)
        for span in spans { ofScope.message(2, Self.encoded(span)) }
        var ofResource = ProtobufWriter()
        ofResource.message(1, resource)
        ofResource.message(2, ofScope)
        var request = ProtobufWriter()
        request.message(1, ofResource)
        return request.bytes
    }

    private static func encoded(_ span: Span) -> ProtobufWriter {
        var out = ProtobufWriter()
        out.field(1, bigEndian(span.context.trace.high) + bigEndian(span.context.trace.low))
        out.field(2, bigEndian(span.context.span))
        if let parent = span.parent { out.field(4, bigEndian(parent)) }
        out.string(5, span.name)
        out.number(6, span.kind.rawValue)
        out.fixed64(7, UInt64(bitPattern: span.start))
        out.fixed64(8, UInt64(bitPattern: span.end))
        for (name, value) in span.attributes.sorted(by: { $0.key < $1.key }) { out.message(9, attribute(name, value)) }
        var status = ProtobufWriter()
        if let failure = span.failure {
            status.string(2, failure)
            status.number(3, 2)
        }
        out.message(15, status)
        return out
    }

    private static func attribute(_ name: String, _ value: String) -> ProtobufWriter {
        var text = ProtobufWriter()
        text.string(1, value)
        var attribute = ProtobufWriter()
        attribute.string(1, name)
        attribute.message(2, text)
        return attribute
    }

    private static func bigEndian(_ number: UInt64) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}

/// Appends fields of a protobuf message.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func number(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }
    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        varint(field << 3 | 1)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    mutating func field(_ field: UInt64, _ content: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }
    mutating func string(_ field: UInt64, _ text: String) {
        if !text.isEmpty { self.field(field, Array(text.utf8)) }
    }
    mutating func message(_ field: UInt64, _ message: ProtobufWriter) { self.field(field, message.bytes) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// Bytes that are a message already.
struct EncodedMessage: RPCMessage {
    var bytes: [UInt8]
    init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    init(wireBytes: UnsafeRawBufferPointer) { bytes = Array(wireBytes) }
    func appendWireBytes(to buffer: inout ByteBuffer) { buffer.writeBytes(bytes) }
}
