import Registry

/// What is to be brought for an image, and what becomes of it: what the reader of each format makes of a manifest.
struct PullRecipe: Sendable {
    enum Codec: Sendable {
        case plain, gzip, lz4

        func decoder() -> any StreamDecoder {
            switch self {
            case .plain: PlainDecoder()
            case .gzip: GzipDecoder()
            case .lz4: AppleLZ4Decoder()
            }
        }
    }

    /// A blob that becomes a file of the store.
    struct File: Sendable {
        var blob: Descriptor
        var codec: Codec
        /// What it becomes, in bytes,
        var size: Int64
        /// and its digest.
        var digest: String
        /// In the store.
        var mediaType: String

        /// A blob as it is.
        init(_ blob: Descriptor, mediaType: String) {
            self.init(blob: blob, codec: .plain, size: blob.size, digest: blob.digest, mediaType: mediaType)
        }

        init(blob: Descriptor, codec: Codec, size: Int64, digest: String, mediaType: String) {
            self.blob = blob
            self.codec = codec
            self.size = size
            self.digest = digest
            self.mediaType = mediaType
        }
    }

    /// A blob that becomes a stretch of a disk.
    struct Layer: Sendable {
        var blob: Descriptor
        var codec: Codec
        /// Where in the disk,
        var start: Int64
        /// and how much of it, in bytes.
        var size: Int64
        /// What that holds, where the manifest says it.
        var digest: String?
    }

    struct Disk: Sendable {
        enum Content: Sendable {
            case packs(PackIndex)
            case layers([Layer])
        }

        /// Of the file, in bytes.
        var size: Int64
        var content: Content
        var format = VMImageConfig.Disk.Format.raw
        /// What the guest sees; nil for all of it.
        var capacity: Int64?
    }

    /// What is in the manifest itself, or in a blob that was fetched to understand it.
    struct Made: Sendable {
        var bytes: [UInt8]
        var mediaType: String
        var digest: String { "sha256:" + SHA256.hex(of: bytes) }
    }

    var files: [File] = []
    var made: [Made] = []
    var disks: [Disk] = []
    /// - Parameter files: the digests of what the files became, by those of their blobs.
    var config: @Sendable (_ files: [String: String], _ disks: [VMImageConfig.Disk]) throws -> VMImageConfig

    /// Bytes that would come if nothing were here.
    var size: Int64 {
        let layers = disks.map { disk -> Int64 in
            switch disk.content {
            case .packs(let index): index.frames.reduce(0) { $0 + Int64($1.length) }
            case .layers(let layers): layers.reduce(0) { $0 + $1.blob.size }
            }
        }
        return files.reduce(0) { $0 + $1.blob.size } + layers.reduce(0, +)
    }
}
