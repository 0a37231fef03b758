import HostFiles
import NIOCore

/// Makes log entries of a stream of bytes: one for each line, without its end; long lines in pieces of 16 KiB.
struct LineCutter {
    static let cut = 16 << 10

    private let stream: LogLine.Stream
    private var rest = ByteBuffer()

    init(_ stream: LogLine.Stream) { self.stream = stream }

    mutating func take(_ bytes: ByteBuffer, at time: Int64) -> [LogLine] {
        rest.discardReadBytes()
        rest.writeImmutableBuffer(bytes)
        var lines: [LogLine] = []
        while rest.readableBytes > 0 {
            let view = rest.readableBytesView
            if let end = view.prefix(Self.cut + 1).firstIndex(of: UInt8(ascii: "\n")) {
                let content = rest.readSlice(length: end - view.startIndex)!
                rest.moveReaderIndex(forwardBy: 1)
                lines.append(LogLine(timestamp: time, stream: stream, isPartial: false, content: content))
            } else if view.count > Self.cut {
                let content = rest.readSlice(length: Self.cut)!
                lines.append(LogLine(timestamp: time, stream: stream, isPartial: true, content: content))
            } else {
                break
            }
        }
        return lines
    }

    /// The stream has ended: a last line without an end is one that goes on nowhere.
    mutating func finish(at time: Int64) -> [LogLine] {
        guard let content = rest.readSlice(length: rest.readableBytes), content.readableBytes > 0 else { return [] }
        return [LogLine(timestamp: time, stream: stream, isPartial: true, content: content)]
    }
}
