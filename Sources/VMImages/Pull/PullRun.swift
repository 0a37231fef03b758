import FoundationEssentials
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Registry

/// One pull under way: what its steps share.
final class PullRun: Sendable {
    let store: ImageStore
    let source: any BlobSource
    let staging: PullStaging
    let workers: Workers
    let slots: SlotPool
    let meter: PullMeter
    let tuner: TransferTuner
    /// For messages.
    let name: String
    let local: NIOLockedValueBox<[StagedDisk]> = .init([])
    /// nil: everything comes from the registry.
    let exchange: PeerExchange?

    /// So often something damaged is fetched again.
    static let damageLimit = 3
    /// So often a transfer that brings nothing is tried again.
    static let failureLimit = 6
    private static let streams = 2...16

    init(
        store: ImageStore, source: any BlobSource, staging: PullStaging, workers: Workers, meter: PullMeter,
        name: String, exchange: PeerExchange? = nil
    ) {
        self.exchange = exchange
        self.store = store
        self.source = source
        self.staging = staging
        self.workers = workers
        self.meter = meter
        self.name = name
        tuner = TransferTuner(Self.streams)
        // Each stream fills one, and each thread empties one.
        slots = SlotPool(limit: Self.streams.upperBound + 2 * workers.threads, size: FrameSize.compressedLimit)
    }

    /// A small blob, verified.
    func small(_ blob: Descriptor, limit: Int) async throws -> [UInt8] {
        guard blob.size <= limit else {
            throw VMImageFormat.unusable("its blob \(blob.digest) has \(blob.size) bytes, and \(limit) are the most")
        }
        if let inline = blob.data.flatMap({ Data(base64Encoded: $0) }).map(Array.init),
            "sha256:" + SHA256.hex(of: inline) == blob.digest
        {
            return inline
        }
        var damaged = 0
        return try await retrying(blob) {
            let stream = try await self.source.blob(blob, range: nil)
            let bytes = Array(try await stream.collect(upTo: limit).readableBytesView)
            let digest = try await self.workers.run { "sha256:" + SHA256.hex(of: bytes) }
            guard digest == blob.digest, bytes.count == Int(blob.size) else {
                damaged += 1
                let error = self.damaged(blob, "\(bytes.count) bytes of the digest \(digest) came")
                if damaged == Self.damageLimit { throw error }
                throw Again(cause: error)
            }
            return bytes
        }
    }

    // MARK: Errors

    /// Something that another try may mend.
    struct Again: Error {
        var cause: any Error
    }

    func damaged(_ blob: Descriptor, _ what: String) -> VMImageError {
        VMImageError(
            .corrupt,
            "cannot pull \(name): the registry serves wrong content for the blob \(blob.digest) (\(what)); pull again later, "
                + "or have the image pushed anew")
    }

    /// Whether another try may succeed.
    static func isPassing(_ error: any Error) -> Bool {
        switch error {
        case is CancellationError, is VMImageError, is CodecError: false
        case let error as RegistryError:
            [.unavailable, .tooManyRequests, .wrongContent].contains(error.code)
        default: true
        }
    }

    /// Tries again after failures that may pass, waiting longer each time.
    /// - Parameter advanced: whether something has come since the last try.
    func retrying<Result>(
        _ blob: Descriptor, advanced: () -> Bool = { false }, _ body: () async throws -> Result
    ) async throws -> Result {
        var failures = 0
        while true {
            do {
                return try await body()
            } catch let again as Again {
                store.logger.debug("fetched again", metadata: ["blob": "\(blob.digest)", "error": "\(again.cause)"])
            } catch {
                guard Self.isPassing(error) else { throw error }
                failures = advanced() ? 1 : failures + 1
                guard failures < Self.failureLimit else {
                    throw VMImageError(
                        .failed,
                        "cannot pull \(name): the blob \(blob.digest) does not come, after \(failures) tries without a "
                            + "byte; what is here stays, and the next pull goes on with it", cause: error)
                }
                store.logger.debug("tried again", metadata: ["blob": "\(blob.digest)", "error": "\(error)"])
                try await Task.sleep(for: .milliseconds(250 << failures))
            }
        }
    }

    // MARK: Jobs

    /// One transfer.
    typealias Job = @Sendable () async throws -> Void

    /// Runs them, several at once.
    func run(_ jobs: [Job]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            var waiting = jobs[...]
            while !waiting.isEmpty || running > 0 {
                while running < tuner.limit, let job = waiting.popFirst() {
                    group.addTask { try await job() }
                    running += 1
                }
                try await group.next()
                running -= 1
                tuner.note(meter.done)
            }
        }
    }
}
