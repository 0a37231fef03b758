import NIOCore
import Registry

/// Where the plain bytes of a blob go. One thread at a time uses it.
protocol BlobTarget: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// - Returns: the digest of everything that was written, in hexadecimal.
    func finish() throws -> String
    /// How much was written.
    var written: Int64 { get }
}

extension LayerWriter: BlobTarget {}

/// A file of the staging directory.
final class BlobFile: BlobTarget {
    private let file: OpenFile
    private let hash = SHA256()
    private let limit: Int64
    private(set) var written: Int64 = 0

    /// - Parameter path: is made anew.
    init(_ path: String, limit: Int64) throws {
        try FilePlaces.remove(path)
        file = try OpenFile.creating(path)
        self.limit = limit
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard Int64(bytes.count) <= limit - written else {
            throw CodecError("it becomes more than the \(limit) bytes it says it has")
        }
        hash.update(bytes)
        try file.write(bytes, at: written)
        written += Int64(bytes.count)
    }

    func finish() throws -> String {
        try file.sync()
        return hash.finish()
    }
}

/// A blob on its way through hash and decoder to its target.
///
/// `@unchecked`: its user lets one piece be taken after the other, and waits for each before the next.
final class BlobFeed: @unchecked Sendable {
    let target: any BlobTarget
    private let decoder: any StreamDecoder
    private let hash = SHA256()
    /// Compressed bytes that were taken.
    private(set) var position: Int64 = 0

    init(_ codec: PullRecipe.Codec, _ target: any BlobTarget) {
        decoder = codec.decoder()
        self.target = target
    }

    func take(_ pieces: [ByteBuffer]) throws {
        for piece in pieces {
            try piece.withUnsafeReadableBytes { bytes in
                hash.update(bytes)
                try decoder.decode(bytes) { try target.write($0) }
                position += Int64(bytes.count)
            }
        }
    }

    /// - Returns: the digests of what came and of what it became, in hexadecimal.
    func finish() throws -> (blob: String, content: String) {
        try decoder.finish()
        return (hash.finish(), try target.finish())
    }
}
