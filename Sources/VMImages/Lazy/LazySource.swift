import FoundationEssentials
import HostFiles
public import Registry
import Synchronization

/// From where an image is fetched while machines run from it: what another process needs to go on. A file beside what has
/// come so far, mode 0600, for it may hold credentials; it goes when the image is whole or removed.
public struct LazySource: Sendable, Hashable {
    public var reference: ImageReference
    /// nil: those of ``credentialFile``.
    public var credentials: RegistryCredentials?
    public var rules: [RegistryRule]
    public var credentialFile: String?

    public init(
        _ reference: ImageReference, credentials: RegistryCredentials?, configuration: RegistryConfiguration
    ) {
        self.reference = reference
        self.credentials = credentials
        rules = configuration.rules
        credentialFile = configuration.credentialFile
    }

    /// How its registry is reached; proxies are those of the environment.
    public func configuration(environment: [String: String]) throws -> RegistryConfiguration {
        var configuration = RegistryConfiguration()
        configuration.rules = rules
        configuration.credentialFile = credentialFile
        configuration.proxies = try ProxyRules(environment: environment)
        // A connection that has died is given up long before the guest that waits for it is told of an error.
        let patience = LazyFetch.Timing().patience / 4
        (configuration.timing.answer, configuration.timing.silence) = (patience, patience)
        return configuration
    }

    // MARK: On disk

    private struct Record: Codable {
        enum Login: Codable {
            case anonymous
            case basic(user: String, password: String)
            case identityToken(String)
            case registryToken(String)
        }

        var schema = 1
        var reference: String
        var login: Login?
        var rules: [RegistryRule]
        var credentialFile: String?
    }

    static let fileName = "source.json"

    static func path(_ layout: StoreLayout, _ id: String) -> String {
        "\(layout.staging)/\(PullStaging.prefix)\(StoreLayout.hex(id))/\(fileName)"
    }

    func write(to path: String) throws {
        var record = Record(reference: reference.canonical, rules: rules, credentialFile: credentialFile)
        record.login =
            switch credentials {
            case nil: nil
            case .anonymous: .anonymous
            case .basic(let user, let password): .basic(user: user, password: password)
            case .identityToken(let token): .identityToken(token)
            case .registryToken(let token): .registryToken(token)
            }
        try AtomicFile.write(try JSONText.bytes(record), to: path, mode: 0o600)
    }

    /// - Throws: `notFound`, `badRecord`.
    init(readingFrom path: String) throws {
        guard let bytes = try FilePlaces.contents(of: path, limit: 1 << 20) else {
            throw VMImageError(
                .notFound, "nobody knows any more where an image is fetched from (\(path)): pull it again")
        }
        let record: Record
        do {
            record = try JSONDecoder().decode(Record.self, from: Data(bytes))
        } catch {
            throw VMImageError(.badRecord, "\(path) is damaged: pull the image again", cause: error)
        }
        reference = try ImageReference(parsing: record.reference)
        rules = record.rules
        credentialFile = record.credentialFile
        credentials =
            switch record.login {
            case nil: nil
            case .anonymous: .anonymous
            case .basic(let user, let password): .basic(user: user, password: password)
            case .identityToken(let token): .identityToken(token)
            case .registryToken(let token): .registryToken(token)
            }
    }
}

/// An image's registry, as the file says it now: a later pull may have brought better credentials.
final class ReloadingSource: BlobSource {
    /// Called by several at once when they are the first, so it should cost little.
    typealias Make = @Sendable (LazySource) async throws -> any BlobSource

    private struct Known {
        var source: LazySource
        var blobs: any BlobSource
    }

    private let path: String
    private let make: Make
    private let known = Mutex<Known?>(nil)

    init(path: String, make: @escaping Make) {
        self.path = path
        self.make = make
    }

    func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream {
        let used: Known
        if let known = known.withLock({ $0 }) { used = known } else { used = try await reloaded() }
        do {
            return try await used.blobs.blob(descriptor, range: range)
        } catch let error as RegistryError where [.unauthorized, .forbidden].contains(error.code) {
            // Others may have found better ones since this was asked with the old ones.
            let now = try await reloaded()
            guard now.source != used.source else { throw error }
            return try await now.blobs.blob(descriptor, range: range)
        }
    }

    private func reloaded() async throws -> Known {
        let source = try await ImageStore.offload { [path] in try LazySource(readingFrom: path) }
        if let known = known.withLock({ $0 }), known.source == source { return known }
        let fresh = Known(source: source, blobs: try await make(source))
        known.withLock { $0 = fresh }
        return fresh
    }
}
