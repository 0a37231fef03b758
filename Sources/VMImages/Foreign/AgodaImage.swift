import Registry

/// Images as macOS-vz-kubelet has them: a disk and an auxiliary storage, gzip-compressed or plain, and a description in JSON,
/// which is the last layer or the manifest's config.
enum AgodaImage {
    static let disk = "application/vnd.agoda.macosvz.disk.image.v1"
    static let auxiliaryStorage = "application/vnd.agoda.macosvz.aux.image.v1"
    static let config = "application/vnd.agoda.macosvz.config.v1+json"
    private static let size = "com.agoda.macosvz.content.uncompressed-size"
    private static let digest = "com.agoda.macosvz.content.uncompressed-digest"

    private struct Description: Decodable {
        var os: String?
        var hardwareModelData: String
    }

    static func recipe(
        _ manifest: OCIManifest, fetch: (Descriptor, Int) async throws -> [UInt8]
    ) async throws -> PullRecipe {
        let all = manifest.layers + [manifest.config]
        let disk = try VMImageFormat.only(disk, all, "disk")
        let storage = try VMImageFormat.only(auxiliaryStorage, all, "auxiliary storage")
        let config = try VMImageFormat.only(config, all, "config")
        let description: Description = try VMImageFormat.decode(
            try await fetch(config, VMImageFormat.configLimit), "its config")
        guard description.os == nil || description.os == "darwin" else {
            throw VMImageFormat.unusable("its guest is \(description.os ?? ""), and such images are of macOS")
        }
        let model = try MacHardwareModel(Array(description.hardwareModelData.utf8), of: "the image's config")

        let content = try VMImageFormat.uncompressed(disk, size: size, digest: digest)
        let layer = PullRecipe.Layer(
            blob: disk, codec: content == nil ? .plain : .gzip, start: 0, size: content?.size ?? disk.size,
            digest: content?.digest ?? disk.digest)
        let variables = Manifest.Layer.variables
        let file = try VMImageFormat.uncompressed(storage, size: size, digest: digest).map {
            PullRecipe.File(blob: storage, codec: .gzip, size: $0.size, digest: $0.digest, mediaType: variables)
        }
        return MacRecipe.make(
            model: model, storage: file ?? PullRecipe.File(storage, mediaType: variables),
            disk: .init(size: layer.size, content: .layers([layer])))
    }
}

/// What every image of a Mac becomes.
enum MacRecipe {
    static func make(
        model: MacHardwareModel, storage: PullRecipe.File, disk: PullRecipe.Disk, cpus: Int? = nil,
        memoryBytes: Int64? = nil
    ) -> PullRecipe {
        let made = PullRecipe.Made(bytes: model.bytes, mediaType: Manifest.Layer.hardwareModel)
        return PullRecipe(files: [storage], made: [made], disks: [disk]) { files, disks in
            guard let auxiliaryStorage = files[storage.blob.digest] else {
                throw VMImageFormat.unusable("it has no auxiliary storage")
            }
            var config = VMImageConfig(
                os: .macos, architecture: "arm64",
                boot: .mac(hardwareModel: made.digest, auxiliaryStorage: auxiliaryStorage), disks: disks)
            config.cpus = cpus
            config.memoryBytes = memoryBytes
            return config
        }
    }
}
