import NIOConcurrencyHelpers
import Registry

/// What frames of a disk build on: fetched when the first one needs it.
final class FrameBases: Sendable {
    private let run: PullRun
    private let index: PackIndex
    private let number: Int
    private let local: LocalFrames
    private let fetched = NIOLockedValueBox<(disk: StagedDisk?, places: [String: LocalFrames.Place])>((nil, [:]))

    init(run: PullRun, index: PackIndex, number: Int, local: LocalFrames) {
        self.run = run
        self.index = index
        self.number = PullRun.baseNumber + number
        self.local = local
    }

    /// Where the bases of these frames are; what is not here is fetched.
    func places(of frames: [PackIndex.Frame]) async throws -> [String: LocalFrames.Place] {
        var found = fetched.withLockedValue { $0.places }
        var missing: [PackIndex.Frame] = []
        for frame in frames {
            guard let base = frame.base, found[base.digest] == nil else { continue }
            if let place = local.places[base.digest] {
                found[base.digest] = place
            } else {
                missing.append(
                    .init(
                        offset: frame.offset, digest: base.digest, pack: base.pack, start: base.start,
                        length: base.length))
            }
        }
        guard !missing.isEmpty else { return found }
        let disk = try await file()
        for frame in missing { found[frame.digest] = .init(file: disk.file, offset: frame.offset) }
        let wanted = missing.filter { disk.digests[$0.offset] != $0.digest }
        run.meter.expect(wanted.reduce(0) { $0 + Int64($1.length) })
        try await run.fetch(wanted, to: PullRun.FrameTarget(index: index, disk: disk))
        let places = found
        fetched.withLockedValue { $0.places.merge(places) { $1 } }
        return places
    }

    /// What an earlier try has fetched of it is there.
    private func file() async throws -> StagedDisk {
        if let disk = fetched.withLockedValue({ $0.disk }) { return disk }
        let (run, index, number) = (run, index, number)
        let known = PullStaging.frames(of: number, in: run.staging.entries)
        let opened = try await run.workers.run {
            try StagedDisk(number: number, path: run.staging.disk(number), size: index.size, known: known)
        }
        return fetched.withLockedValue { state in
            if let disk = state.disk { return disk }
            state.disk = opened
            run.local.withLockedValue { $0.append(opened) }
            return opened
        }
    }
}
