public import NIOCore

/// Which stream of a process bytes belong to.
public enum StandardStream: UInt8, Sendable {
    case stdin = 0
    case stdout = 1
    case stderr = 2
}

/// Bytes of one stream.
public struct DockerFrame: Sendable, Equatable {
    public let stream: StandardStream
    public let bytes: ByteBuffer
    /// Whether a frame of the engine ends with these bytes: one log message is one frame.
    public let endsFrame: Bool
}

/// Takes apart the engine's multiplexed stream: frames of an 8-byte header (stream, three zeros, big-endian length) and
/// that many bytes.
struct Demultiplexer {
    /// The stream on which the engine reports its own failure.
    private static let engineFailure: UInt8 = 3
    private static let longestFailure = 64 << 10

    private enum State {
        case header
        case frame(StandardStream, left: Int)
        case failure(left: Int)
    }

    private var buffer = ByteBuffer()
    private var state = State.header

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
    }

    /// What there is of the current frame; nil until more bytes come.
    /// - Throws: `DockerError` for bytes that are no such stream, or the failure that the engine reports in it.
    mutating func next() throws(DockerError) -> DockerFrame? {
        while true {
            switch state {
            case .header:
                guard buffer.readableBytes >= 8 else { return nil }
                let kind = buffer.readInteger(as: UInt8.self)!
                let zeros = buffer.readBytes(length: 3)!
                let length = Int(buffer.readInteger(as: UInt32.self)!)
                if kind == Self.engineFailure, zeros == [0, 0, 0] {
                    state = .failure(left: min(length, Self.longestFailure))
                } else if let stream = StandardStream(rawValue: kind), zeros == [0, 0, 0] {
                    state = .frame(stream, left: length)
                } else {
                    throw DockerError(
                        .failed, "the engine's output is no multiplexed stream (a frame begins with \(kind))")
                }
            case .frame(let stream, let left):
                guard left > 0 else {
                    state = .header
                    return DockerFrame(stream: stream, bytes: ByteBuffer(), endsFrame: true)
                }
                guard buffer.readableBytes > 0 else { return nil }
                let bytes = buffer.readSlice(length: min(left, buffer.readableBytes))!
                let rest = left - bytes.readableBytes
                state = rest == 0 ? .header : .frame(stream, left: rest)
                return DockerFrame(stream: stream, bytes: bytes, endsFrame: rest == 0)
            case .failure(let left):
                guard let words = buffer.readString(length: left) else { return nil }
                throw DockerError(
                    .failed, "the engine broke off: \(words.split(whereSeparator: \.isNewline).joined(separator: "; "))"
                )
            }
        }
    }

    /// The stream has ended.
    /// - Throws: `unavailable` when that was inside a frame.
    mutating func finish() throws(DockerError) {
        if case .header = state, buffer.readableBytes == 0 { return }
        throw DockerError(.unavailable, "the engine's output ended inside a message")
    }
}
