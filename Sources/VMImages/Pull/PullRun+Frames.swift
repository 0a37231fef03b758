import NIOConcurrencyHelpers
import NIOCore
import Registry

extension PullRun {
    /// Frames of one pack that are fetched by one request.
    struct FrameJob: Sendable {
        var blob: Descriptor
        /// In the order of the pack.
        var frames: [PackIndex.Frame]
        /// A transfer that has begun already.
        var opened: BlobStream?
        /// Whether to ask for all of the pack: the registry serves no ranges.
        var isWhole = false
    }

    /// Requests are no larger, so that several are under way at once and a broken one costs little.
    private static let requestLimit: Int64 = 32 << 20

    /// Where frames go, and what they are made from.
    struct FrameTarget: Sendable {
        var index: PackIndex
        var disk: StagedDisk
        /// What is here of the frames that others build on, by digest.
        var bases: [String: LocalFrames.Place] = [:]
        /// Told of each frame that is there, verified.
        var onFrame: (@Sendable (PackIndex.Frame) -> Void)?
    }

    /// Brings frames to a disk.
    func fetch(_ missing: [PackIndex.Frame], to target: FrameTarget) async throws {
        let index = target.index
        let packs = Dictionary(grouping: missing, by: \.pack).sorted { $0.key < $1.key }.map { pack, frames in
            FrameJob(
                blob: index.blob(pack),
                frames: frames.sorted { $0.start < $1.start })
        }
        guard let first = packs.first else { return }
        var jobs = packs.flatMap { pack in
            Self.runs(of: pack.frames, limit: Self.requestLimit).map { FrameJob(blob: pack.blob, frames: $0) }
        }
        // The first answer says whether the registry serves ranges.
        let range = Self.range(of: jobs[0].frames)
        let stream = try await retrying(first.blob) { try await self.source.blob(first.blob, range: range) }
        if stream.range != range, stream.range.count > range.count {
            jobs = packs
            for number in jobs.indices { jobs[number].isWhole = true }
        }
        jobs[0].opened = stream
        try await run(jobs.map { job in { try await self.fetch(job, to: target) } })
    }

    /// Frames that lie right after each other, together.
    static func runs(of frames: [PackIndex.Frame], limit: Int64) -> [[PackIndex.Frame]] {
        var runs: [[PackIndex.Frame]] = []
        for frame in frames {
            if let last = runs.last?.last, let first = runs.last?.first, last.end == frame.start,
                frame.end - first.start <= limit
            {
                runs[runs.count - 1].append(frame)
            } else {
                runs.append([frame])
            }
        }
        return runs
    }

    static func range(of frames: [PackIndex.Frame]) -> Range<Int64> {
        (frames.first?.start ?? 0)..<(frames.last?.end ?? 0)
    }

    /// Brings what one request asks for; goes on after breaks, and fetches again what is damaged.
    func fetch(_ job: FrameJob, to target: FrameTarget) async throws {
        let outcome = FrameOutcome()
        var opened = job.opened
        var missing = job.frames
        var (damages, former) = (0, missing.count)
        while !missing.isEmpty {
            try await retrying(job.blob, advanced: { outcome.hasAdvanced() }) {
                missing = job.frames.filter { !outcome.isDone($0) }
                for run in job.isWhole ? [missing] : Self.runs(of: missing, limit: Self.requestLimit) where !run.isEmpty
                {
                    let range = job.isWhole ? nil : Self.range(of: run)
                    let stream: BlobStream
                    if let begun = opened.take() {
                        stream = begun
                    } else {
                        stream = try await self.source.blob(job.blob, range: range)
                    }
                    try await self.read(stream, run, job.blob, target, outcome)
                }
            }
            missing = job.frames.filter { !outcome.isDone($0) }
            guard let bad = outcome.damage, !missing.isEmpty else { continue }
            damages = missing.count < former ? 1 : damages + 1
            former = missing.count
            guard damages < Self.damageLimit else {
                throw damaged(job.blob, "bytes \(bad.frame.start)..<\(bad.frame.end): \(bad.what)")
            }
        }
    }

    /// Takes frames out of a stream, and gives them to the threads.
    private func read(
        _ stream: BlobStream, _ frames: [PackIndex.Frame], _ blob: Descriptor, _ target: FrameTarget,
        _ outcome: FrameOutcome
    ) async throws {
        let range = Self.range(of: frames)
        guard stream.range.lowerBound <= range.lowerBound, stream.range.upperBound >= range.upperBound else {
            throw RegistryError(
                .wrongContent, "bytes \(stream.range) came of the blob \(blob.digest) where \(range) were asked for")
        }
        // What has come whole is used, whatever becomes of the rest.
        let failure = try await withThrowingDiscardingTaskGroup { group -> (any Error)? in
            var reader = BlobReader(stream, meter)
            do {
                for frame in frames {
                    try await reader.skip(to: frame.start)
                    let slot = try await slots.acquire()
                    do {
                        try await reader.read(into: slot.bytes, count: frame.length)
                    } catch {
                        slots.release(slot)
                        throw error
                    }
                    group.addTask {
                        defer { self.slots.release(slot) }
                        try await self.workers.run { tools in
                            try self.take(frame, slot.bytes, tools, target, outcome)
                        }
                    }
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Verifies a frame and writes it. Blocks.
    private func take(
        _ frame: PackIndex.Frame, _ bytes: UnsafeMutableRawBufferPointer, _ tools: Workers.Tools,
        _ target: FrameTarget, _ outcome: FrameOutcome
    ) throws {
        let disk = target.disk
        let length = target.index.rawLength(frame)
        let room = UnsafeMutableRawBufferPointer(rebasing: tools.raw[..<length])
        let base = try frame.base.map { base in
            guard let place = target.bases[base.digest] else {
                throw VMImageError(.failed, "the frame sha256:\(base.digest) that another one builds on did not come")
            }
            return try place.read(length, into: tools.base, base.digest, tools.hash)
        }
        do {
            let count = try tools.decoder.decode(
                UnsafeRawBufferPointer(rebasing: bytes[..<frame.length]), into: room, base: base)
            guard count == room.count else { throw CodecError("it has \(count) bytes instead of \(room.count)") }
        } catch let error as CodecError {
            outcome.damaged(frame, error.description)
            return
        }
        tools.hash.update(UnsafeRawBufferPointer(room))
        let digest = tools.hash.finish()
        guard digest == frame.digest else {
            outcome.damaged(frame, "they hold what has the digest sha256:\(digest) instead of sha256:\(frame.digest)")
            return
        }
        try disk.write(UnsafeRawBufferPointer(room), at: frame.offset, digest: digest)
        try staging.journal.add([.frame(disk: disk.number, offset: frame.offset, digest: digest)])
        outcome.done(frame)
        target.onFrame?(frame)
    }
}

/// What became of the frames of a job.
private final class FrameOutcome: Sendable {
    private struct State {
        var done: Set<Int64> = []
        var seen = 0
        var damage: (frame: PackIndex.Frame, what: String)?
    }

    private let state = NIOLockedValueBox(State())

    func done(_ frame: PackIndex.Frame) { _ = state.withLockedValue { $0.done.insert(frame.offset) } }
    func isDone(_ frame: PackIndex.Frame) -> Bool { state.withLockedValue { $0.done.contains(frame.offset) } }
    func damaged(_ frame: PackIndex.Frame, _ what: String) { state.withLockedValue { $0.damage = (frame, what) } }
    var damage: (frame: PackIndex.Frame, what: String)? { state.withLockedValue { $0.damage } }

    /// Whether more is done than at the last call.
    func hasAdvanced() -> Bool {
        state.withLockedValue { state in
            defer { state.seen = state.done.count }
            return state.done.count > state.seen
        }
    }
}

/// Reads a blob's stream in pieces of a size of one's own.
struct BlobReader {
    private var iterator: BlobStream.AsyncIterator
    private var rest = ByteBuffer()
    private let meter: PullMeter
    /// In the blob.
    private(set) var position: Int64

    init(_ stream: BlobStream, _ meter: PullMeter) {
        iterator = stream.makeAsyncIterator()
        position = stream.range.lowerBound
        self.meter = meter
    }

    mutating func skip(to offset: Int64) async throws {
        while position < offset {
            try await more()
            let count = min(rest.readableBytes, Int(offset - position))
            rest.moveReaderIndex(forwardBy: count)
            position += Int64(count)
        }
    }

    mutating func read(into target: UnsafeMutableRawBufferPointer, count: Int) async throws {
        var filled = 0
        while filled < count {
            try await more()
            let part = min(rest.readableBytes, count - filled)
            rest.withUnsafeReadableBytes {
                UnsafeMutableRawBufferPointer(rebasing: target[filled..<filled + part])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<part]))
            }
            rest.moveReaderIndex(forwardBy: part)
            filled += part
            position += Int64(part)
        }
    }

    private mutating func more() async throws {
        while rest.readableBytes == 0 {
            guard let next = try await iterator.next() else {
                throw RegistryError(.wrongContent, "a blob ended early, after byte \(position)")
            }
            meter.count(Int64(next.readableBytes))
            rest = next
        }
    }
}
