import NIOCore
import Registry

/// A file as a stream of buffers, read by threads.
struct FileBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let file: OpenFile
    let range: Range<Int64>
    let workers: Workers
    /// Told how much was read.
    let count: @Sendable (Int64) -> Void

    private static let pieceSize = 1 << 20

    /// What is sent of a file.
    static func body(
        _ file: OpenFile, size: Int64, _ workers: Workers, count: @escaping @Sendable (Int64) -> Void
    ) -> BlobBody {
        BlobBody(size: size) { from in
            BlobStream(
                range: from..<size, FileBytes(file: file, range: from..<size, workers: workers, count: count))
        }
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let bytes: FileBytes
        var offset: Int64

        mutating func next() async throws -> ByteBuffer? {
            let size = Int(Swift.min(Int64(FileBytes.pieceSize), bytes.range.upperBound - offset))
            guard size > 0 else { return nil }
            let (file, start) = (bytes.file, offset)
            let buffer = try await bytes.workers.run {
                var buffer = ByteBufferAllocator().buffer(capacity: size)
                try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) {
                    try file.read(UnsafeMutableRawBufferPointer(rebasing: $0[..<size]), at: start)
                }
                return buffer
            }
            guard buffer.readableBytes == size else {
                throw VMImageError(.failed, "\(file.path) became shorter while it was sent")
            }
            offset += Int64(size)
            bytes.count(Int64(size))
            return buffer
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: self, offset: range.lowerBound) }
}
