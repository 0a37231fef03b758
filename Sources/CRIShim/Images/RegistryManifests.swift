import Logging
import Proto
import Registry
import Synchronization
import VMImages
import Waiting

/// Tells by an image's manifest in its registry whether it is a machine's.
final class RegistryManifests: ManifestClassifier {
    /// How long a registry may take: Docker asks it too, and with more patience.
    private let patience: Duration
    private static let remembered = 2000
    /// A registry that did not answer is left alone for this long, so that not every pull of Docker's waits for it.
    private let quiet: Duration
    /// What the media types of machines' images begin with, whatever version of a format it is.
    private static let prefixes = [
        "application/vnd.vzcri.vm.", "application/vnd.agoda.macosvz.", "application/vnd.cirruslabs.tart.",
    ]

    private let client: RegistryClient
    private let logger: Logger
    /// By the digest of the manifest, or of the list it is in: what is under a digest never changes.
    private let known = Mutex<[String: RuntimeChoice.Kind]>([:])
    /// By registry: until when it is left alone.
    private let silent = Mutex<[String: ContinuousClock.Instant]>([:])

    init(client: RegistryClient, quiet: Duration = .seconds(60), patience: Duration = .seconds(15), logger: Logger) {
        self.client = client
        self.quiet = quiet
        self.patience = patience
        self.logger = logger
    }

    func classify(_ image: ImageReference, auth: CRI.AuthConfig?) async throws -> RuntimeChoice.Kind? {
        let registry = image.registry
        if let end = silent.withLock({ $0[registry] }), ContinuousClock.now < end { return nil }
        do {
            let credentials = try auth.flatMap { try RegistryCredentials($0, registry: image.registry) }
            let late = RegistryError(.unavailable, "\(registry) did not answer within \(patience)")
            return try await withDeadline(patience, or: late) { try await self.kind(image, credentials) }
        } catch let error as RegistryError {
            if error.isWorthRetrying { silent.withLock { $0[registry] = .now + quiet } }
            // Who pulls asks again, and says why it failed.
            logger.debug(
                "the registry does not say what an image is",
                metadata: ["image": "\(image.familiar)", "error": "\(error)"])
            return nil
        }
    }

    private func kind(_ image: ImageReference, _ credentials: RegistryCredentials?) async throws -> RuntimeChoice.Kind {
        // Without credentials the answer is the same for all: a digest need not be asked for again.
        let repository = try await client.repository(image, credentials: credentials).trying(2)
        let digest = try await repository.head(image.manifestName).digest
        if let kind = known.withLock({ $0[digest] }) { return kind }
        let kind: RuntimeChoice.Kind
        do {
            kind = Self.isMachine(try await repository.resolve(digest)) ? .vm : .docker
        } catch let error as RegistryError where error.code == .unsupported {
            // A manifest of a kind that no machine's image has.
            kind = .docker
        }
        known.withLock { known in
            if known.count >= Self.remembered { known = [:] }
            known[digest] = kind
        }
        return kind
    }

    static func isMachine(_ image: ResolvedImage) -> Bool {
        let manifest = image.manifest
        let types =
            [manifest.artifactType, manifest.config.mediaType].compactMap { $0 } + manifest.layers.map(\.mediaType)
        return types.contains { type in prefixes.contains { type.hasPrefix($0) } }
    }
}

extension RegistryCredentials {
    /// The forms a CRI client may give credentials in; nil for none, and for those of another server.
    init?(_ auth: CRI.AuthConfig, registry: String) throws(RegistryError) {
        guard Self.isServer(auth.serverAddress, registry: registry) else { return nil }
        try self.init(
            user: auth.username, password: auth.password, auth: auth.auth, identityToken: auth.identityToken,
            registryToken: auth.registryToken)
    }
}
