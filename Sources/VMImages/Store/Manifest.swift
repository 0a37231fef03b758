/// An image's manifest, as OCI has it. Its digest is the image's id.
struct Manifest: Codable, Sendable {
    static let mediaType = "application/vnd.oci.image.manifest.v1+json"

    struct Descriptor: Codable, Sendable {
        var mediaType: String
        var digest: String
        var size: Int64
    }

    /// What the layers are.
    enum Layer {
        static let kernel = "application/vnd.vzcri.vm.kernel.v1"
        static let initrd = "application/vnd.vzcri.vm.initrd.v1"
        /// The non-volatile store of firmware, or of a Mac.
        static let variables = "application/vnd.vzcri.vm.nvram.v1"
        static let hardwareModel = "application/vnd.vzcri.vm.mac.hardware-model.v1"
        /// A disk as it lies here: its blob is the index, its content is beside the blobs.
        static let disk = DiskIndex.mediaType
    }

    var schemaVersion = 2
    var mediaType = Self.mediaType
    var artifactType = VMImageConfig.mediaType
    var config: Descriptor
    var layers: [Descriptor]
    var annotations: [String: String]?

    /// The image that this one was committed on top of.
    static let baseKey = "org.opencontainers.image.base.digest"
    var base: String? { annotations?[Self.baseKey] }

    /// Digests of everything but the manifest itself: blobs, and the disks that indexes among them name.
    var digests: [String] { [config.digest] + layers.map(\.digest) }
    var disks: [String] { layers.filter { $0.mediaType == Layer.disk }.map(\.digest) }
}
