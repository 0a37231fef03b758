import FoundationEssentials
import HostFiles
import Logging
import NIOConcurrencyHelpers
public import Registry

/// Brings images of virtual machines from registries to a store. Whatever the registry's format is, what lies in the store
/// is raw disks with their indexes.
public struct ImagePuller: Sendable {
    public let store: ImageStore
    private let exchange: PeerExchange?
    /// What machines run from is left for so long to a server that has just ended: until it has it again, they stand still.
    var consideration = Duration.seconds(10)

    /// - Parameter exchange: other hosts that may have what an image needs; nil: everything comes from the registry.
    public init(store: ImageStore, exchange: PeerExchange? = nil) {
        self.store = store
        self.exchange = exchange
    }

    /// Pulls an image and gives it its name; an image that had the name loses it. What an earlier try has brought and verified
    /// is not fetched again, and neither is what other images of this host have.
    ///
    /// One that is here already gets the name, and nothing is fetched. While another task or process pulls the same image this
    /// one waits for it; when that one serves machines meanwhile, and something keeps the rest from coming, that is thrown.
    ///
    /// - Parameters:
    ///   - reference: the name the image gets.
    ///   - manifest: as the registry has it, byte for byte. Its digest is the image's id.
    ///   - progress: told some times a second.
    /// - Throws: `invalidArgument` for what is no usable image of a machine, `noSpace`, `corrupt`, `failed`, ``RegistryError``,
    ///   `CancellationError`. What has come stays for the next try.
    public func pull(
        _ reference: ImageReference, manifest: [UInt8], from source: any BlobSource,
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> VMImage {
        let id = "sha256:" + SHA256.hex(of: manifest)
        if let digest = reference.digest, digest != id {
            throw VMImageError(
                .corrupt, "cannot pull \(reference.familiar): the registry's manifest has the digest \(id)")
        }
        let decoded: OCIManifest = try VMImageFormat.decode(manifest, "its manifest")
        guard let format = VMImageFormat(decoded) else {
            throw VMImageError(
                .invalidArgument,
                "cannot pull \(reference.familiar) as an image of a virtual machine: it is none (its config is "
                    + "\(decoded.config.mediaType))")
        }
        let workers = Workers()
        do {
            let image = try await pull(reference, id, manifest, decoded, format, source, workers, progress)
            try await workers.stop()
            return image
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private func pull(
        _ reference: ImageReference, _ id: String, _ bytes: [UInt8], _ manifest: OCIManifest, _ format: VMImageFormat,
        _ source: any BlobSource, _ workers: Workers, _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> VMImage {
        let store = store
        var hasWaited = false
        while true {
            if let image = try await workers.run({ try store.rename(id, to: reference) }) { return image }
            let (staging, isTaken) = try await workers.run { [hasWaited] () throws -> (PullStaging?, isTaken: Bool) in
                guard let staging = try PullStaging.open(store.layout, manifest: id) else { return (nil, true) }
                // With the lock let go again: whoever serves it needs it.
                guard try hasWaited || !store.isBeingFetched(id) else { return (nil, false) }
                return (staging, false)
            }
            if let staging {
                // Who was at it may have ended between the two looks.
                let there = try await workers.run { () throws -> VMImage? in
                    guard let image = try store.rename(id, to: reference) else { return nil }
                    try staging.remove()
                    return image
                }
                if let there { return there }
                let run = PullRun(
                    store: store, source: source, staging: staging, workers: workers, meter: PullMeter(),
                    name: reference.familiar, exchange: exchange)
                return try await run.pull(reference, id, bytes, manifest, format, progress)
            }
            hasWaited = !isTaken
            if isTaken {
                let trouble = try await workers.run { try PullStaging.trouble(store.layout, manifest: id) }
                if let trouble {
                    throw VMImageError(
                        trouble.code,
                        "cannot pull \(reference.familiar): it is fetched while machines run from it, and the rest does not "
                            + "come", cause: trouble)
                }
            }
            // Another one is at it, or will be. There is no wait for a file's lock that could be cancelled.
            let pause = isTaken ? Duration.milliseconds(200) : consideration
            try await Task.sleep(for: pause)
        }
    }
}

extension PullRun {
    /// So often what has come is brought to disk.
    static let syncInterval = Duration.seconds(5)

    fileprivate func pull(
        _ reference: ImageReference, _ id: String, _ bytes: [UInt8], _ manifest: OCIManifest, _ format: VMImageFormat,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> VMImage {
        let recipe = try await format.recipe(manifest) { try await self.small($0, limit: $1) }
        let plans = try await workers.run { self.plan(recipe) }
        let files = missing(recipe.files)
        try await workers.run { try self.requireSpace(plans, files) }
        var isHere = false
        defer { for digest in plans.compactMap(\.digest) { exchange?.board.end(digest, isHere: isHere) } }
        meter.expect(files.reduce(0) { $0 + $1.blob.size })
        let disks = try await withThrowingTaskGroup(of: [StagedDisk]?.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .milliseconds(250))
                    progress(self.meter.read())
                }
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.syncInterval)
                    try await self.workers.run { try self.sync() }
                }
            }
            group.addTask {
                try await self.run(files.map { file in { try await self.fetch(file) } })
                var disks: [StagedDisk] = []
                for plan in plans where !plan.isHere { disks.append(try await self.fetch(plan)) }
                return disks
            }
            defer { group.cancelAll() }
            while let result = try await group.next() { if let result { return result } }
            return []
        }
        let image = try await workers.run { try self.finish(recipe, plans, disks, reference, id, bytes) }
        isHere = true
        progress(meter.read())
        store.logger.info("image pulled", metadata: ["image": "\(name)", "id": "\(id)"])
        return image
    }

    func sync() throws { try staging.sync(local.withLockedValue { $0 }.map(\.file)) }
}
