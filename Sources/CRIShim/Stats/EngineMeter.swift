import Docker
import Logging
import Synchronization
import VZEngine
import Waiting

/// Measures one container of an engine. Whoever asks waits for a limited time and gets the last that is known: a container
/// of which the engine says nothing keeps nobody, and is not asked for a second time before there was an answer.
final class EngineMeter: Sendable {
    /// How the engine is asked.
    struct Source: Sendable {
        var stats: @Sendable () async throws -> DockerContainerStats
        var size: @Sendable () async throws -> ContainerSize
        /// Of the pod's network, where the engine does not know it; nil: the engine does.
        var interfaces: (@Sendable () async throws -> [InterfaceCounters])?
        /// Of its processes, where they are this host's.
        var host: @Sendable () async throws -> HostCounts? = { nil }
        /// How often it was killed for want of memory.
        var outOfMemory: @Sendable () -> UInt64 = { 0 }
        /// Where the engine keeps what containers write.
        var directory: @Sendable () -> String
    }

    fileprivate struct State {
        var last: Measurement?
        var measuredAt: ContinuousClock.Instant?
        /// What the rate is counted from.
        var base: (time: Int64, nanoseconds: UInt64)?
        var rate: UInt64?
        var round: Round?
        var disk: Measurement.Disk?
        var sizing: Latch?
        var sizedAt: ContinuousClock.Instant?
    }

    /// One look that everybody waits for who asks meanwhile.
    fileprivate struct Round {
        let began = ContinuousClock.now
        let done = Latch()
    }
    private let state = Mutex(State())
    private let container: String
    private let source: Source
    private let freshness: Duration
    private let logger: Logger

    /// The engine goes through all of a container's files for it.
    private static let sizePeriod = Duration.seconds(60)
    /// A rate over less would jump.
    fileprivate static let ratePeriod: Int64 = 1_000_000_000

    /// - Parameter freshness: what was seen so lately is now.
    init(container: String, source: Source, freshness: Duration = .milliseconds(500), logger: Logger) {
        self.container = container
        self.source = source
        self.freshness = freshness
        self.logger = logger
    }

    /// What its files took when that was last looked at.
    var disk: Measurement.Disk? { state.withLock { $0.disk } }

    /// - Parameter memoryLimit: in bytes; 0 is none.
    /// - Returns: how it is now, or what is known last when that takes longer than `limit`; nil where nothing is known.
    func measurement(memoryLimit: Int64, within limit: Duration) async -> Measurement? {
        enum Step {
            case known(Measurement)
            case wait(Round, isNew: Bool)
        }
        let now = ContinuousClock.now
        let step: Step = state.withLock { state in
            if let last = state.last, let at = state.measuredAt, now - at < freshness { return .known(last) }
            if let round = state.round { return .wait(round, isNew: false) }
            let round = Round()
            state.round = round
            return .wait(round, isNew: true)
        }
        switch step {
        case .known(let last): return last
        case .wait(let round, let isNew):
            let sizing = beginSizing()
            if isNew {
                // Not its caller's: that may have gone before it is done.
                Task {
                    await look(memoryLimit)
                    state.withLock { $0.round = nil }
                    round.done.open()
                }
            }
            let deadline = round.began + limit
            if deadline > now { _ = await round.done.wait(atMost: deadline - now) }
            // The first size is worth the same wait, and no more.
            if let sizing, disk == nil, deadline > .now { _ = await sizing.wait(atMost: deadline - .now) }
            return state.withLock { state in
                var last = state.last
                last?.disk = state.disk
                return last
            }
        }
    }

    private func look(_ memoryLimit: Int64) async {
        do {
            let stats = try await source.stats()
            guard stats.isRunning else { return state.withLock { $0.last = nil } }
            let interfaces = source.interfaces == nil ? nil : await known { try await source.interfaces?() } ?? []
            let host = await known(source.host)
            state.withLock { state in
                var now = Measurement(stats, memoryLimit: memoryLimit, interfaces: interfaces)
                now.host = host
                if let processes = host?.processes { now.processes = processes }
                now.outOfMemory = source.outOfMemory()
                // On v2 the engine does not say it: what was seen then.
                if let most = now.memory?.most { now.memory?.most = max(most, state.last?.memory?.most ?? 0) }
                if let total = now.processor?.total { now.processor?.rate = state.count(total, at: now.time) }
                now.disk = state.disk
                state.last = now
                state.measuredAt = .now
            }
        } catch let error as DockerError where error.code == .notFound {
            state.withLock { $0.last = nil }
        } catch {
            logger.warning(
                "a container could not be measured", metadata: ["container": "\(container)", "error": "\(error)"])
        }
    }

    /// nil for what cannot be told, as of a process that is just ending.
    private func known<R: Sendable>(_ body: @Sendable () async throws -> R?) async -> R? {
        do {
            return try await body()
        } catch {
            logger.debug(
                "something of a container is not known", metadata: ["container": "\(container)", "error": "\(error)"])
            return nil
        }
    }

    /// - Returns: what opens when the size is known that is being looked for; nil when none is.
    private func beginSizing() -> Latch? {
        let (latch, isNew): (Latch?, Bool) = state.withLock { state in
            if let sizing = state.sizing { return (sizing, false) }
            if let at = state.sizedAt, ContinuousClock.now - at < Self.sizePeriod { return (nil, false) }
            let latch = Latch()
            state.sizing = latch
            return (latch, true)
        }
        if isNew {
            Task {
                do {
                    let bytes = try await source.size().sizeRw
                    let directory = source.directory()
                    state.withLock { state in
                        state.disk = bytes.map { .init(directory: directory, bytes: UInt64(clamping: $0)) }
                    }
                } catch let error as DockerError where error.code == .notFound {
                    // It has gone, and its files with it.
                } catch {
                    logger.warning(
                        "what a container wrote could not be measured",
                        metadata: ["container": "\(container)", "error": "\(error)"])
                }
                state.withLock { state in
                    state.sizing = nil
                    state.sizedAt = .now
                }
                latch?.open()
            }
        }
        return latch
    }
}

extension EngineMeter.State {
    /// By the engine's own clock.
    fileprivate mutating func count(_ total: UInt64, at now: Int64) -> UInt64? {
        guard let base, now >= base.time, total >= base.nanoseconds else {
            // The first look, a container that was started anew, or a clock that was set.
            (base, rate) = ((now, total), nil)
            return nil
        }
        let passed = now - base.time
        guard passed >= EngineMeter.ratePeriod else { return rate }
        rate = UInt64(Double(total - base.nanoseconds) / (Double(passed) / 1_000_000_000))
        self.base = (now, total)
        return rate
    }
}
