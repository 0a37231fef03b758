import Logging
import Proto
import Registry
import VMImages

/// Brings images of machines from registries to the store: each once, however many wait for it.
final class VMImagePulls: Sendable {
    private let client: RegistryClient
    private let catalog: VMImageCatalog
    private let pulls: PullBoard
    private let work = SharedWork<String, VMImage, PullProgress>()
    /// Images that machines will run from, which are put in place.
    private let beginnings = SharedWork<String, VMImage?, Void>()
    /// nil: nothing is limited.
    private let paces: PullPaces?
    private let lazy: LazyStart
    private let exchange: PeerExchange?

    /// - Parameter rate: bytes for each second of downloads that nobody needs yet.
    init(
        client: RegistryClient, catalog: VMImageCatalog, pulls: PullBoard, rate: Int64? = nil,
        lazy: LazyStart = .never, exchange: PeerExchange? = nil
    ) {
        self.client = client
        self.catalog = catalog
        self.pulls = pulls
        self.lazy = lazy
        self.exchange = exchange
        paces = rate.map { PullPaces(rate: $0) }
    }

    /// How many wait for images.
    var waiting: Int { work.waiting + beginnings.waiting }

    /// - Parameter local: the image of that name that is here. It is used when the registry, or a mirror of one that cannot be
    ///   reached, says that who asks may have it, and that it still has that name; one that was made here is used as it is.
    /// - Parameter isHurried: whether somebody needs it now.
    /// - Returns: the image's id.
    func pull(
        _ image: CRI.ImageSpec, auth: CRI.AuthConfig?, local: VMImage?, isHurried: Bool = true
    ) async throws -> String {
        if let local, !local.wasPulled { return local.id }
        guard !ImageReference.isID(image.image) else {
            if let local { return local.id }
            throw ShimError(
                .notFound, "image \(image.image) is not here, and nothing can be pulled by an id: use a name")
        }
        let reference = try ImageReference(parsing: image.image)
        // Who brings an image beforehand means all of it.
        let servers = isHurried ? try lazy.servers(for: image.annotations, image: image.image) : nil
        // Who wants all of an image waits for the rest of it.
        let local = local.flatMap { $0.isWhole || servers != nil ? $0 : nil }
        do {
            let credentials = try auth.flatMap { try RegistryCredentials($0, registry: reference.registry) }
            let repository = try await client.repository(reference, credentials: credentials)
            let head = try await repository.check(reference.manifestName)
            if let local, local.isWhole, local.id == head.digest { return local.id }
            let resolved = try await repository.resolve(head.digest)
            if let local, local.isWhole, local.id == resolved.descriptor.digest { return local.id }
            if let servers {
                let origin = LazySource(reference, credentials: credentials, configuration: client.configuration)
                if let begun = try await begin(Self.named(reference, resolved), resolved, repository, origin) {
                    if !begun.isWhole { servers.ensure(begun.id) }
                    return begun.id
                }
            }
            return try await paced(resolved.descriptor.digest, isHurried: isHurried, repository) { source in
                try await download(reference, shownAs: image.image, resolved, source)
            }
        } catch let error as RegistryError {
            throw Self.explained(error, image.image)
        }
    }

    /// Whoever comes second would be taken for one who needs all of it, and keep out whoever serves the first.
    private func begin(
        _ reference: ImageReference, _ resolved: ResolvedImage, _ repository: Repository, _ origin: LazySource
    ) async throws -> VMImage? {
        let puller = ImagePuller(store: catalog.store)
        let attempt: @Sendable () async throws -> VMImage? = {
            try await puller.begin(reference, manifest: resolved.bytes, from: repository, origin: origin)
        }
        let begun = try await beginnings.run(resolved.descriptor.digest, onNews: { _ in }) { _ in try await attempt() }
        guard let begun, !begun.names.contains(reference.familiar) else { return begun }
        // It was begun under another name.
        return try await attempt()
    }

    private func paced(
        _ digest: String, isHurried: Bool, _ repository: Repository, _ body: (any BlobSource) async throws -> String
    ) async throws -> String {
        guard let paces else { return try await body(repository) }
        return try await paces.running(digest, isHurried: isHurried) { pace in
            try await body(PacedSource(source: repository, pace: pace))
        }
    }

    private func download(
        _ reference: ImageReference, shownAs name: String, _ resolved: ResolvedImage, _ repository: any BlobSource
    ) async throws -> String {
        let puller = ImagePuller(store: catalog.store, exchange: exchange)
        let digest = resolved.descriptor.digest
        let named = Self.named(reference, resolved)
        return try await pulls.showing(name) { id in
            let image = try await work.run(digest) { [pulls] progress in
                pulls.note(
                    id, part: digest, done: UInt64(clamping: progress.done), total: UInt64(clamping: progress.total))
            } _: { tell in
                try await puller.pull(named, manifest: resolved.bytes, from: repository, progress: tell)
            }
            if image.names.contains(named.familiar) { return image.id }
            // Who waited with another name gives the image that name; nothing is fetched for it.
            return try await puller.pull(named, manifest: resolved.bytes, from: repository).id
        }
    }

    /// What a list leads to has a name of its own: the digest said is the list's.
    private static func named(_ reference: ImageReference, _ resolved: ResolvedImage) -> ImageReference {
        var named = reference
        if let said = reference.digest, said != resolved.descriptor.digest { named.digest = resolved.descriptor.digest }
        return named
    }

    /// The codes and words that kubelets know.
    private static func explained(_ error: RegistryError, _ image: String) -> any Error {
        switch error.code {
        case .unauthorized, .forbidden:
            ShimError(
                .denied,
                "pulling \(image) failed: it needs other credentials (imagePullSecrets), or it does not exist",
                cause: error)
        case .notFound: ShimError(.notFound, "pulling \(image) failed: the registry does not have it", cause: error)
        case .unavailable, .tooManyRequests:
            ShimError(.unavailable, "RegistryUnavailable: pulling \(image) failed", cause: error)
        case .invalidArgument: ShimError(.invalidArgument, "pulling \(image) failed", cause: error)
        default: ShimError(.failed, "pulling \(image) failed", cause: error)
        }
    }
}
