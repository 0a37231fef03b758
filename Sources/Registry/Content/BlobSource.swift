public import NIOCore

/// Where blobs come from.
public protocol BlobSource: Sendable {
    /// - Parameter range: nil is all of it; see ``BlobStream/range`` for what is really served.
    /// - Throws: ``RegistryError``. The content is not checked against the digest: who reads it does that.
    func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream
}

/// What is sent as a blob: it can be read more than once, from anywhere, for a transfer that breaks goes on or begins anew.
public struct BlobBody: Sendable {
    /// In bytes.
    public let size: Int64
    private let open: @Sendable (Int64) async throws -> BlobStream

    /// - Parameter open: gives everything from that offset on.
    public init(size: Int64, _ open: @escaping @Sendable (_ from: Int64) async throws -> BlobStream) {
        self.size = size
        self.open = open
    }

    public init(_ bytes: ByteBuffer) {
        self.init(size: Int64(bytes.readableBytes)) { from in
            var rest = bytes
            rest.moveReaderIndex(forwardBy: Int(from))
            let range = from..<Int64(bytes.readableBytes)
            return BlobStream(
                range: range,
                AsyncStream { [rest] in
                    if rest.readableBytes > 0 { $0.yield(rest) }
                    $0.finish()
                })
        }
    }

    /// - Parameter offset: from 0 to ``size``.
    public func bytes(from offset: Int64) async throws -> BlobStream { try await open(offset) }
}

/// Where blobs and manifests go.
public protocol BlobSink: Sendable {
    func exists(_ digest: String) async throws -> Bool
    /// Has the registry take a blob over from another of its repositories.
    /// - Returns: false when it does not: upload it then.
    func mount(_ digest: String, from repository: String) async throws -> Bool
    /// Returns once the registry has the blob, and says that its digest is right.
    func upload(_ descriptor: Descriptor, _ body: BlobBody) async throws
    /// - Parameter tag: nil puts it under its digest alone.
    /// - Returns: the manifest's digest.
    @discardableResult
    func putManifest(_ bytes: [UInt8], mediaType: String, tag: String?) async throws -> String
}
