import NIOCore
import RPC

/// A message that is its own wire form.
struct Blob: RPCMessage, Equatable {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init(_ text: String) { bytes = Array(text.utf8) }

    init(wireBytes: UnsafeRawBufferPointer) throws {
        bytes = Array(wireBytes)
        if text == "malformed" { throw Malformed() }
    }

    func appendWireBytes(to buffer: inout ByteBuffer) throws { buffer.writeBytes(bytes) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    struct Malformed: Error {}
}
