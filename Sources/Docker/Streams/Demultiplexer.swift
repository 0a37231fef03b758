public import NIOCore

/// Which stream of a process bytes belong to.
public enum StandardStream: UInt8, Sendable {
    case stdin = 0
    case stdout = 1
    case stderr = 2
}

/// Bytes of one stream.
public struct DockerFrame: Sendable {
    public let stream: StandardStream
    public let bytes: ByteBuffer
    /// Whether a frame of the engine ends with these bytes: one log message is one frame.
    public let endsFrame: Bool
}

/// Takes apart the engine's multiplexed stream: frames of an 8-byte header (stream, three zeros, big-endian length) and
/// that many bytes.
struct Demultiplexer {
    private var buffer = ByteBuffer()
    private var current: (stream: StandardStream, left: Int)?

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeBuffer(&bytes) }
    }

    /// What there is of the current frame; nil until more bytes come.
    /// - Throws: `DockerError` for bytes that are no such stream.
    mutating func next() throws(DockerError) -> DockerFrame? {
        while true {
            if let (stream, left) = current {
                if left == 0 {
                    current = nil
                    return DockerFrame(stream: stream, bytes: ByteBuffer(), endsFrame: true)
                }
                guard buffer.readableBytes > 0 else { return nil }
                let bytes = buffer.readSlice(length: min(left, buffer.readableBytes))!
                let rest = left - bytes.readableBytes
                current = rest == 0 ? nil : (stream, rest)
                return DockerFrame(stream: stream, bytes: bytes, endsFrame: rest == 0)
            }
            guard buffer.readableBytes >= 8 else { return nil }
            let kind = buffer.readInteger(as: UInt8.self)!
            buffer.moveReaderIndex(forwardBy: 3)
            let length = buffer.readInteger(as: UInt32.self)!
            guard let stream = StandardStream(rawValue: kind) else {
                throw DockerError(.failed, "the engine's output is no multiplexed stream (stream \(kind))")
            }
            current = (stream, Int(length))
        }
    }
}
