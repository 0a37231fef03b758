import Logging
import NIOConcurrencyHelpers
import NIOCore
import Registry
import Waiting

extension PullRun {
    /// Requests to one peer under way at once; fewer where there are many peers, for each takes some 1 MiB.
    static func requests(toEachOf peers: Int) -> Int { max(1, min(6, 24 / max(1, peers))) }
    /// So often it is looked whether peers are worth waiting for.
    private static let tick = Duration.milliseconds(250)
    /// Who could not be asked is asked again after this.
    private static let again = Duration.seconds(5)
    /// Whoever has too much to do is asked again after this.
    private static let busyWait = Duration.milliseconds(100)

    /// Brings frames to a disk: from peers what they have, from the registry what nobody has, and what peers are slow to bring.
    /// - Parameter digest: of the disk's index.
    func fetch(
        _ missing: [PackIndex.Frame], of index: PackIndex, _ disk: StagedDisk, _ digest: String, _ local: LocalFrames,
        with exchange: PeerExchange
    ) async throws {
        let size = Int64(DiskIndex.chunkSize)
        let board = exchange.board
        board.begin(digest, disk.file, has: Set(disk.digests.keys.map { Int($0 / size) }))
        let wanted = Dictionary(uniqueKeysWithValues: missing.map { (Int($0.offset / size), $0) })
        let pull = SwarmPull(
            run: self, index: index, disk: disk, digest: digest, wanted: wanted, exchange: exchange,
            bases: FrameBases(run: self, index: index, number: disk.number, local: local))
        do {
            if try await !pull.fetch() {
                // Every request would bring a whole pack: once is enough.
                let rest = pull.rest
                var target = FrameTarget(index: index, disk: disk)
                target.bases = try await pull.bases.places(of: rest)
                target.onFrame = { board.tell(digest, .has([Int($0.offset / size)])) }
                try await fetch(rest, to: target)
            }
        } catch {
            board.end(digest, isHere: false)
            throw error
        }
    }

    /// One disk on its way.
    private final class SwarmPull: Sendable {
        let run: PullRun
        let index: PackIndex
        let disk: StagedDisk
        let digest: String
        let wanted: [Int: PackIndex.Frame]
        let exchange: PeerExchange
        let bases: FrameBases
        let swarm: NIOLockedValueBox<FrameSwarm>
        let bell = Bell()

        init(
            run: PullRun, index: PackIndex, disk: StagedDisk, digest: String, wanted: [Int: PackIndex.Frame],
            exchange: PeerExchange, bases: FrameBases
        ) {
            self.run = run
            self.index = index
            self.disk = disk
            self.digest = digest
            self.wanted = wanted
            self.exchange = exchange
            self.bases = bases
            swarm = NIOLockedValueBox(
                FrameSwarm(
                    frames: Array(wanted.keys), peers: exchange.peers.count, id: exchange.board.id,
                    patience: exchange.patience))
        }

        /// What has not come.
        var rest: [PackIndex.Frame] {
            wanted.values.filter { disk.digests[$0.offset] != $0.digest }.sorted { $0.offset < $1.offset }
        }

        /// Returns once something has changed since the bell had rung so often.
        private func rung(after rings: Int) async throws {
            await bell.wait(after: rings)
            try Task.checkCancellation()
        }

        private var isComplete: Bool { swarm.withLockedValue { $0.isComplete } }

        /// - Returns: false when the registry serves no ranges: then the rest is still to be fetched.
        func fetch() async throws -> Bool {
            try await withThrowingTaskGroup(of: Bool?.self) { group in
                for (number, peer) in exchange.peers.enumerated() {
                    group.addTask {
                        try await self.follow(number, peer)
                        return nil
                    }
                    for _ in 0..<PullRun.requests(toEachOf: exchange.peers.count) {
                        group.addTask {
                            try await self.fetchFrom(number, peer)
                            return nil
                        }
                    }
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: PullRun.tick)
                        self.bell.ring()
                    }
                }
                group.addTask { try await self.fetchFromRegistry() }
                defer { group.cancelAll() }
                while let result = try await group.next() { if let result { return result } }
                return true
            }
        }

        // MARK: Peers

        /// Hears what a peer has for as long as the pull takes, also after it was away.
        private func follow(_ number: Int, _ peer: any FramePeer) async throws {
            while !isComplete, !isBanned(number) {
                let why: String
                do {
                    let (id, news) = try await peer.follow(disk: digest)
                    guard swarm.withLockedValue({ $0.joined(number, id: id) }) else { return }
                    bell.ring()
                    try await hear(number, news)
                    why = "it has ended"
                } catch {
                    why = "\(error)"
                }
                leave(number, peer, why)
                try await Task.sleep(for: PullRun.again)
            }
        }

        /// Returns when the peer says no more, or is not asked any more.
        private func hear(_ number: Int, _ news: AsyncThrowingStream<FrameNews, any Error>) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for try await piece in news {
                        self.swarm.withLockedValue { $0.heard(number, piece) }
                        self.bell.ring()
                    }
                }
                group.addTask {
                    while self.isAlive(number) { try await self.rung(after: self.bell.rings) }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }

        private func isAlive(_ number: Int) -> Bool { swarm.withLockedValue { $0.isAlive(number) } }

        private func isBanned(_ number: Int) -> Bool { swarm.withLockedValue { $0.isBanned(number) } }

        private func leave(_ number: Int, _ peer: any FramePeer, _ why: String) {
            guard !Task.isCancelled, isAlive(number) else { return }
            swarm.withLockedValue { $0.leave(number, why) }
            run.store.logger.info(
                "a peer is not asked", metadata: ["peer": "\(peer.name)", "image": "\(run.name)", "why": "\(why)"])
            bell.ring()
        }

        private func fetchFrom(_ number: Int, _ peer: any FramePeer) async throws {
            while !isComplete, !isBanned(number) {
                let rings = bell.rings
                guard let frame = swarm.withLockedValue({ $0.takeForPeer(number) }) else {
                    try await rung(after: rings)
                    continue
                }
                do {
                    guard let bytes = try await peer.frame(frame, ofDisk: digest) else {
                        swarm.withLockedValue { $0.giveBack(frame) }
                        bell.ring()
                        try await Task.sleep(for: PullRun.busyWait)
                        continue
                    }
                    run.meter.count(Int64(bytes.readableBytes))
                    try await take(frame, bytes)
                    done(frame, by: number)
                } catch let wrong as WrongFrame {
                    swarm.withLockedValue { swarm in
                        swarm.giveBack(frame)
                        swarm.ban(number, wrong.what)
                    }
                    run.store.logger.warning(
                        "a peer serves wrong content and is left alone",
                        metadata: ["peer": "\(peer.name)", "image": "\(run.name)", "why": "\(wrong.what)"])
                    bell.ring()
                } catch {
                    try Task.checkCancellation()
                    if error is VMImageError { throw error }
                    let isOver = swarm.withLockedValue { $0.failed(number, frame, "\(error)") }
                    bell.ring()
                    if isOver {
                        run.store.logger.info(
                            "a peer is not asked for a while",
                            metadata: ["peer": "\(peer.name)", "image": "\(run.name)", "why": "\(error)"])
                    }
                }
            }
        }

        private struct WrongFrame: Error {
            var what: String
        }

        /// Verifies what a peer sent, and writes it.
        private func take(_ number: Int, _ bytes: ByteBuffer) async throws {
            guard let frame = wanted[number] else { return }
            try await run.workers.run { [self] tools in
                let room = UnsafeMutableRawBufferPointer(rebasing: tools.raw[..<index.rawLength(frame)])
                do {
                    let count = try bytes.withUnsafeReadableBytes { try tools.decoder.decode($0, into: room) }
                    guard count == room.count else { throw CodecError("\(count) bytes instead of \(room.count)") }
                } catch let error as CodecError {
                    throw WrongFrame(what: error.description)
                }
                tools.hash.update(UnsafeRawBufferPointer(room))
                let found = tools.hash.finish()
                guard found == frame.digest else {
                    throw WrongFrame(what: "sha256:\(found) came for sha256:\(frame.digest)")
                }
                // The registry may have been faster.
                guard disk.digests[frame.offset] != frame.digest else { return }
                try disk.write(UnsafeRawBufferPointer(room), at: frame.offset, digest: found)
                try run.staging.journal.add([.frame(disk: disk.number, offset: frame.offset, digest: found)])
            }
        }

        private func done(_ frame: Int, by peer: Int?) {
            if swarm.withLockedValue({ $0.done(frame, by: peer) }) { exchange.board.tell(digest, .has([frame])) }
            bell.ring()
        }

        // MARK: The registry

        private func fetchFromRegistry() async throws -> Bool {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                let underWay = NIOLockedValueBox(0)
                let outcome = NIOLockedValueBox<Result<Bool, any Error>>(.success(true))
                let beginning = ContinuousClock.now + exchange.assembly
                while ContinuousClock.now < beginning, swarm.withLockedValue({ !$0.isAssembled }) {
                    try await rung(after: bell.rings)
                }
                while !isComplete {
                    let rings = bell.rings
                    let running = underWay.withLockedValue { $0 }
                    swarm.withLockedValue { $0.tick(.now, underWay: running) }
                    if running < run.tuner.limit, case let frames = swarm.withLockedValue({ $0.takeForRegistry() }),
                        !frames.isEmpty
                    {
                        exchange.board.tell(digest, .fetches(frames))
                        underWay.withLockedValue { $0 += 1 }
                        group.addTask {
                            do {
                                if try await !self.fetch(frames) { outcome.withLockedValue { $0 = .success(false) } }
                            } catch {
                                outcome.withLockedValue { $0 = .failure(error) }
                            }
                            self.run.tuner.note(self.run.meter.done)
                            underWay.withLockedValue { $0 -= 1 }
                            self.bell.ring()
                            return true
                        }
                        continue
                    }
                    if try !outcome.withLockedValue({ $0 }).get() {
                        group.cancelAll()
                        return false
                    }
                    try await rung(after: rings)
                }
                group.cancelAll()
                return true
            }
        }

        /// - Returns: false when the registry serves no ranges.
        private func fetch(_ numbers: [Int]) async throws -> Bool {
            let frames = numbers.compactMap { wanted[$0] }
            var target = FrameTarget(index: index, disk: disk)
            target.bases = try await bases.places(of: frames)
            target.onFrame = { self.done(Int($0.offset / Int64(DiskIndex.chunkSize)), by: nil) }
            for (pack, members) in Dictionary(grouping: frames, by: \.pack) {
                let blob = index.blob(pack)
                for part in PullRun.runs(of: members.sorted { $0.start < $1.start }, limit: 32 << 20) {
                    var job = FrameJob(blob: blob, frames: part)
                    let range = PullRun.range(of: part)
                    let stream = try await run.retrying(blob) { try await self.run.source.blob(blob, range: range) }
                    if stream.range != range, stream.range.count > range.count { return false }
                    job.opened = stream
                    try await run.fetch(job, to: target)
                }
            }
            return true
        }
    }
}
