import Docker
import Logging
import NIOCore
import Proto
import Synchronization

/// The images of a Docker Engine as the CRI sees them. An image's id is the engine's, everywhere.
final class DockerImages: ImageManager {
    /// A pull without any progress for this long is given up.
    static let stallLimit = Duration.seconds(300)
    private static let usageLifetime = Duration.seconds(60)

    let client: DockerClient
    let runtime: DockerRuntime
    let pulls: PullBoard
    private let logger: Logger

    private struct Usage {
        var measured: (at: ContinuousClock.Instant, value: CRI.FilesystemUsage)?
        var isMeasuring = false
    }
    private let usage = Mutex(Usage())

    init(client: DockerClient, runtime: DockerRuntime, pulls: PullBoard, logger: Logger) {
        self.client = client
        self.runtime = runtime
        self.pulls = pulls
        self.logger = logger
    }

    func list(_ filter: CRI.ImageFilter?) async throws -> [CRI.Image] {
        try runtime.requireEngine()
        if let wanted = filter?.image, !wanted.image.isEmpty {
            return try await status(wanted, verbose: false).map { [$0.image] } ?? []
        }
        return try await client.listImages().map { summary in
            .init {
                $0.id = summary.id
                $0.repoTags = Self.known(summary.repoTags)
                $0.repoDigests = Self.known(summary.repoDigests)
                $0.size = UInt64(max(1, summary.size))
                $0.pinned = runtime.pause.isPause(tags: $0.repoTags)
                $0.spec = .init { spec in spec.image = summary.id }
            }
        }
    }

    func status(
        _ image: CRI.ImageSpec, verbose: Bool
    ) async throws -> (image: CRI.Image, details: [String: String])? {
        try runtime.requireEngine()
        guard let found = try await client.inspectImageIfPresent(image.image) else { return nil }
        let user = found.config?.user ?? ""
        let answer = CRI.Image {
            $0.id = found.id
            $0.repoTags = Self.known(found.repoTags)
            $0.repoDigests = Self.known(found.repoDigests)
            $0.size = UInt64(max(1, found.size))
            $0.pinned = runtime.pause.isPause(tags: $0.repoTags)
            $0.spec = .init { $0.image = found.id }
            let name = user.prefix { $0 != ":" }
            if let uid = Int64(name) {
                $0.uid = .init { $0.value = uid }
            } else {
                $0.username = String(name)
            }
        }
        guard verbose else { return (answer, [:]) }
        let details = JSONText.object([
            ("id", .text(found.id)),
            ("architecture", .text(found.architecture ?? "")),
            ("os", .text(found.os ?? "")),
            ("created", .text(found.created ?? "")),
            ("user", .text(user)),
            ("entrypoint", JSONText.array(found.config?.entrypoint ?? [])),
            ("cmd", JSONText.array(found.config?.cmd ?? [])),
            ("env", JSONText.array(found.config?.env ?? [])),
            ("workingDir", .text(found.config?.workingDir ?? "")),
        ])
        return (answer, ["info": details])
    }

    private static func known(_ names: [String]?) -> [String] {
        (names ?? []).filter { !$0.contains("<none>") }
    }

    func remove(_ image: CRI.ImageSpec) async throws {
        try runtime.requireEngine()
        guard let found = try await client.inspectImageIfPresent(image.image) else { return }
        // By name, one after the other: by id the engine refuses an image with several names unless it is forced, and
        // forced it would also take one from under a container.
        let names = Self.known(found.repoTags) + Self.known(found.repoDigests)
        for name in names { try await removeName(name) }
        guard try await client.inspectImageIfPresent(found.id) != nil else { return }
        try await removeName(found.id)
    }

    private func removeName(_ name: String) async throws {
        do {
            try await client.removeImage(name, force: false)
        } catch let error as DockerError where error.code == .notFound {
            // another call was faster, or the last tag took the digests with it
        } catch let error as DockerError where error.code == .conflict {
            throw ShimError(.wrongState, "image \(name) is in use: \(error.message)", cause: error)
        }
    }

    // MARK: Space

    func fileSystems() async throws -> [CRI.FilesystemUsage] {
        let (known, measure) = usage.withLock { usage in
            let isStale = usage.measured.map { ContinuousClock.now - $0.at > Self.usageLifetime } ?? true
            let measure = isStale && !usage.isMeasuring && runtime.health.isReady
            if measure { usage.isMeasuring = true }
            return (usage.measured?.value, measure)
        }
        if measure { runtime.jobsIn.yield { [self] in await measureUsage() } }
        if let known { return [known] }
        // Not measured yet: the place is known, its fill is not.
        guard let directory = runtime.info.engine?.rootDirectory, !directory.isEmpty else { return [] }
        return [Self.usage(of: directory, bytes: 0)]
    }

    private func measureUsage() async {
        do {
            let bytes = try await client.imageBytes()
            let value = Self.usage(of: runtime.info.engine?.rootDirectory ?? "", bytes: UInt64(max(0, bytes)))
            usage.withLock { $0 = Usage(measured: (ContinuousClock.now, value)) }
        } catch {
            usage.withLock { $0.isMeasuring = false }
            logger.debug("measuring the image store failed", metadata: ["error": "\(error)"])
        }
    }

    private static func usage(of directory: String, bytes: UInt64) -> CRI.FilesystemUsage {
        .init {
            $0.timestamp = Timestamps.now()
            $0.fsId = .init { $0.mountpoint = directory }
            $0.usedBytes = .init { $0.value = bytes }
            $0.inodesUsed = .init()
        }
    }
}
