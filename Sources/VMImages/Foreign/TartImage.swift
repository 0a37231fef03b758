import Registry

/// Images as Tart has them: the disk in layers, each an LZ4 stream by itself, in the order of the manifest; the non-volatile
/// store; and a description in JSON.
enum TartImage {
    static let prefix = "application/vnd.cirruslabs.tart."
    static let config = prefix + "config.v1"
    static let disk = prefix + "disk.v2"
    static let variables = prefix + "nvram.v1"
    private static let oldDisk = prefix + "disk.v1"
    private static let size = "org.cirruslabs.tart.uncompressed-size"
    private static let digest = "org.cirruslabs.tart.uncompressed-content-digest"

    private struct Description: Decodable {
        var os: String?
        var arch: String?
        var hardwareModel: String?
        var cpuCount: Int?
        var cpuCountMin: Int?
        var memorySize: Int64?
        var memorySizeMin: Int64?
    }

    static func recipe(
        _ manifest: OCIManifest, fetch: (Descriptor, Int) async throws -> [UInt8]
    ) async throws -> PullRecipe {
        let all = manifest.layers + [manifest.config]
        guard !all.contains(where: { $0.mediaType == oldDisk }) else {
            throw VMImageFormat.unusable(
                "its disk is in Tart's first format: have a newer Tart pull it and push it again")
        }
        let config = try VMImageFormat.only(config, all, "config")
        let storage = try VMImageFormat.only(variables, all, "non-volatile store")
        var offset: Int64 = 0
        let layers = try manifest.layers.filter { $0.mediaType == disk }.map { blob in
            guard let content = try VMImageFormat.uncompressed(blob, size: size, digest: digest),
                offset <= VMImageFormat.sizeLimit - content.size
            else { throw VMImageFormat.unusable("the layer \(blob.digest) does not say what it becomes") }
            defer { offset += content.size }
            return PullRecipe.Layer(
                blob: blob, codec: .lz4, start: offset, size: content.size, digest: content.digest)
        }
        guard !layers.isEmpty else { throw VMImageFormat.unusable("it has no disk") }
        let described: Description = try VMImageFormat.decode(
            try await fetch(config, VMImageFormat.configLimit), "its config")
        let file = PullRecipe.File(storage, mediaType: Manifest.Layer.variables)
        let made = PullRecipe.Disk(size: offset, content: .layers(layers))
        let cpus = described.cpuCount ?? described.cpuCountMin
        let memory = described.memorySize ?? described.memorySizeMin
        switch described.os ?? "darwin" {
        case "darwin":
            guard let model = described.hardwareModel else {
                throw VMImageFormat.unusable("its config has no hardware model")
            }
            return MacRecipe.make(
                model: try MacHardwareModel(Array(model.utf8), of: "the image's config"), storage: file, disk: made,
                cpus: cpus, memoryBytes: memory)
        case "linux":
            guard let architecture = HostArchitecture.named(described.arch ?? "arm64") else {
                throw VMImageFormat.unusable("its processor \"\(described.arch ?? "")\" is not known")
            }
            return PullRecipe(files: [file], disks: [made]) { files, disks in
                var config = VMImageConfig(
                    os: .linux, architecture: architecture, boot: .efi(variables: files[storage.digest]), disks: disks)
                config.cpus = cpus
                config.memoryBytes = memory
                return config
            }
        case let system: throw VMImageFormat.unusable("its guest is \(system)")
        }
    }
}
