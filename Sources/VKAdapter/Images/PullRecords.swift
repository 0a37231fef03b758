import HostFiles
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Remembers which images this adapter brought here and which secrets opened them, so that a pod that names a private image
/// of another gets it only if the registry gave it to that pod's secrets too. It holds across restarts: before a pull the
/// intent is written down, and one whose end nobody saw keeps the image from counting as somebody else's.
final class PullRecords: Sendable {
    private let directory: String
    private let policy: ImageAccessPolicy
    private let pool: NIOThreadPool
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    /// The pulls under way, by image; one that another process began counts on its own. Held for each step.
    private let underWay = NIOLockedValueBox<[String: Int]>([:])

    /// - Parameter directory: is made, 0700.
    init(
        directory: String, policy: ImageAccessPolicy = ImageAccessPolicy(), pool: NIOThreadPool = .singleton,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }, logger: Logger
    ) {
        self.directory = directory
        self.policy = policy
        self.pool = pool
        self.now = now
        self.logger = logger
    }

    private func pulled(_ id: String) -> String { "\(directory)/pulled/\(ContentHash.sha256(Array(id.utf8)))" }
    private func pulling(_ image: String) -> String { "\(directory)/pulling/\(ContentHash.sha256(Array(image.utf8)))" }

    /// Everything here blocks, and goes one after the other.
    private func step<R: Sendable>(
        _ work: @escaping @Sendable (inout [String: Int]) throws -> R
    ) async throws -> R {
        try await pool.runIfActive { [underWay] in try underWay.withLockedValue { try work(&$0) } }
    }

    // MARK: Pulls

    /// A pull of the image begins.
    /// - Throws: when that cannot be written down: nothing may be pulled then.
    func begin(_ image: String) async throws {
        do {
            try await step { [self] underWay in
                if underWay[image] == nil {
                    let intent = pulling(image)
                    try SystemCall.makeDirectories("\(directory)/pulling", mode: 0o700)
                    // The end of one that is there was not seen: it stays until one ends well.
                    if try SmallFile.version(intent) == nil {
                        try AtomicFile.write(Array((image + "\n").utf8), to: intent, mode: 0o600)
                        underWay[image] = 0
                    }
                }
                underWay[image, default: 1] += 1
            }
        } catch {
            throw AdapterError(.failed, "cannot note the pull of \(image) in \(directory)", cause: error)
        }
    }

    /// The image is here.
    /// - Parameter use: what the registry accepted; `nil` when it was shown nothing of a pod.
    func finished(_ image: String, id: String, with use: PullSecretUse?) async {
        do {
            try await step { [self] underWay in
                try accepted(use, for: image, id)
                underWay[image] = nil
                unlink(pulling(image))
            }
        } catch {
            // The intent stays: the image counts as ours, and everybody must show something.
            logger.error("cannot note who may use the image \(image): \(error)")
        }
    }

    /// The pull came to nothing.
    /// - Parameter isCertain: the runtime said so. Otherwise the image may be here all the same.
    func failed(_ image: String, isCertain: Bool) async {
        do {
            try await step { [self] underWay in
                guard let count = underWay[image] else { return }
                underWay[image] = count > 1 ? count - 1 : nil
                if count == 1, isCertain { unlink(pulling(image)) }
            }
        } catch {
            logger.error("cannot forget the pull of the image \(image): \(error)")
        }
    }

    private func accepted(_ use: PullSecretUse?, for image: String, _ id: String) throws {
        let path = pulled(id)
        // One that cannot be read gave nobody access.
        let before = try? record(path)
        var record = before ?? PulledImage { $0.imageRef = id }
        record.credentialMapping[ImageName.repository(image), default: ImageAccess()].accepted(use)
        if record.credentialMapping == before?.credentialMapping { return }
        record.lastUpdatedTime = now()
        try SystemCall.makeDirectories("\(directory)/pulled", mode: 0o700)
        try AtomicFile.write(record.encodedAlways().jsonBytes(), to: path, mode: 0o600)
    }

    /// - Throws: when what is there cannot be read.
    private func record(_ path: String) throws -> PulledImage? {
        guard let bytes = try SmallFile.read(path) else { return nil }
        return try PulledImage(try Documents.json(bytes))
    }

    // MARK: Who may use what is here

    /// Whether the registry has to be asked before a pod may use an image that is here.
    /// - Parameter uses: what the pod's secrets hold for the image; asked for only when it matters.
    func mustPull(
        _ image: String, id: String, _ uses: @Sendable () async throws -> [PullSecretUse]
    ) async throws -> Bool {
        let repository = ImageName.repository(image)
        let (isOurs, access): (Bool, ImageAccess?)
        do {
            (isOurs, access) = try await step { [self] _ in
                if let record = try record(pulled(id)) { return (true, record.credentialMapping[repository]) }
                return (try SmallFile.version(pulling(image)) != nil, nil)
            }
        } catch {
            logger.error("cannot see who may use the image \(image), so the registry is asked: \(error)")
            return true
        }
        guard policy.asks(for: repository, isOurs: isOurs) else { return false }
        guard let access else { return true }
        if access.nodePodsAccessible { return false }
        if access.kubernetesSecrets.isEmpty { return true }
        guard let use = access.match(try await uses()) else { return true }
        // What matched in one way matches in both from now on.
        if !access.kubernetesSecrets.contains(use) {
            do {
                try await step { [self] _ in try accepted(use, for: image, id) }
            } catch {
                logger.warning("cannot note who may use the image \(image): \(error)")
            }
        }
        return false
    }

    /// Forgets images that are not here any more.
    /// - Parameter since: what was noted later is kept: the image came after somebody looked which ones are here.
    func prune(keeping ids: Set<String>, since: Timestamp) async {
        do {
            try await step { [self] _ in
                for name in try Directories.names("\(directory)/pulled") {
                    let path = "\(directory)/pulled/\(name)"
                    // One that cannot be read stays: without it the image would be everybody's.
                    guard let record = try? record(path), !ids.contains(record.imageRef) else { continue }
                    if record.lastUpdatedTime < since { unlink(path) }
                }
            }
        } catch {
            logger.warning("cannot forget images that are gone: \(error)")
        }
    }
}

extension ImageName {
    /// The name without tag and digest.
    static func repository(_ image: String) -> String {
        let name = image.prefix { $0 != "@" }
        let slash = name.lastIndex(of: "/") ?? name.startIndex
        return String(name[slash...].lastIndex(of: ":").map { name[..<$0] } ?? name)
    }
}
