import FoundationEssentials
public import Registry

/// The kinds of VM images that registries have.
public enum VMImageFormat: String, Sendable, CaseIterable {
    /// This program's own.
    case native
    /// Of macOS-vz-kubelet and its `oras-macos-vz`.
    case agoda
    /// Of Tart.
    case tart

    /// - Returns: nil for whatever is no image of a virtual machine, such as a container image.
    public init?(_ manifest: OCIManifest) {
        let types = Set([manifest.config.mediaType] + manifest.layers.map(\.mediaType))
        if types.contains(VMImageConfig.mediaType) {
            self = .native
        } else if types.contains(AgodaImage.disk) {
            self = .agoda
        } else if types.contains(where: { $0.hasPrefix(TartImage.prefix) }) {
            self = .tart
        } else {
            return nil
        }
    }

    /// Understands a manifest. Nothing in it is a file's name, and no size is believed without a bound.
    ///
    /// - Parameter fetch: brings a small blob, verified.
    /// - Throws: `invalidArgument` for an image that cannot be used.
    func recipe(
        _ manifest: OCIManifest, fetch: (Descriptor, _ limit: Int) async throws -> [UInt8]
    ) async throws -> PullRecipe {
        for descriptor in [manifest.config] + manifest.layers {
            guard ImageReference.isDigest(descriptor.digest), descriptor.size >= 0, descriptor.size <= Self.sizeLimit
            else {
                throw Self.unusable("it names a blob \"\(descriptor.digest.prefix(80))\" of \(descriptor.size) bytes")
            }
        }
        return
            switch self
        {
        case .native: try await NativeImage.recipe(manifest, fetch: fetch)
        case .agoda: try await AgodaImage.recipe(manifest, fetch: fetch)
        case .tart: try await TartImage.recipe(manifest, fetch: fetch)
        }
    }

    /// No disk and no blob is larger.
    static let sizeLimit: Int64 = 1 << 50
    /// What describes a machine is small.
    static let configLimit = 4 << 20

    static func unusable(_ why: String, cause: (any Error)? = nil) -> VMImageError {
        VMImageError(.invalidArgument, "this image of a virtual machine cannot be used: \(why)", cause: cause)
    }

    static func decode<Value: Decodable>(_ bytes: [UInt8], _ what: String) throws -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw unusable("\(what) cannot be understood", cause: error)
        }
    }

    /// The one blob of a media type.
    static func only(_ mediaType: String, _ layers: [Descriptor], _ what: String) throws -> Descriptor {
        let found = layers.filter { $0.mediaType == mediaType }
        guard found.count == 1 else { throw unusable("it has \(found.count) of \(what) (\(mediaType)) instead of one") }
        return found[0]
    }

    /// What the compressed blob says it becomes: both, or it is not compressed.
    static func uncompressed(
        _ blob: Descriptor, size: String, digest: String
    ) throws -> (size: Int64, digest: String)? {
        guard let size = blob.annotations?[size], let digest = blob.annotations?[digest] else { return nil }
        guard let size = Int64(size), size > 0, size <= sizeLimit, ImageReference.isDigest(digest) else {
            throw unusable(
                "the blob \(blob.digest) says that it becomes \(size) bytes of the digest \(digest.prefix(80))")
        }
        return (size, digest)
    }
}
