public import Logging
import Synchronization

/// Finds out which address a machine has, and when that changes: every source at once, and the first good answer counts.
public final class AddressWatch: Sendable {
    private let hardwareAddress: HardwareAddress
    private let sources: [any AddressDiscovery]
    private let patience: Duration
    private let logger: Logger

    private struct State {
        var choice = AddressChoice()
        var hasTold = false
        /// Why there will be no answer.
        var failure: VZEngineError?
        var waiting: [Int: CheckedContinuation<NetworkAddress, any Error>] = [:]
        var next = 0
    }
    private let state = Mutex(State())
    private let start = ContinuousClock.now
    /// Every address after the first. One reader.
    public let changes: AsyncStream<NetworkAddress>
    private let changed: AsyncStream<NetworkAddress>.Continuation

    public convenience init(
        of hardwareAddress: HardwareAddress, sources: [any AddressDiscovery], logger: Logger
    ) {
        self.init(of: hardwareAddress, sources: sources, patience: AddressChoice.patience, logger: logger)
    }

    init(of hardwareAddress: HardwareAddress, sources: [any AddressDiscovery], patience: Duration, logger: Logger) {
        self.hardwareAddress = hardwareAddress
        self.sources = sources
        self.patience = patience
        self.logger = logger
        (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    /// The address at present; nil as long as it is not known.
    public var current: NetworkAddress? { state.withLock { $0.choice.current } }

    /// Looks in all sources until the task is cancelled: as long as the machine lives. Once.
    public func run() async {
        await withTaskGroup(of: (name: String, error: any Error)?.self) { group in
            for source in sources {
                group.addTask { [self] in
                    do {
                        try await source.run(for: hardwareAddress) { [weak self] in self?.see($0, in: source.name) }
                    } catch {
                        return Task.isCancelled ? nil : (source.name, error)
                    }
                    return nil
                }
            }
            group.addTask { [self] in
                do { try await Task.sleep(for: patience) } catch { return nil }
                tell(state.withLock { $0.choice.settle() }, "what was noted before")
                // So that the search is not over before it is cancelled, whatever the sources do.
                while !Task.isCancelled { do { try await Task.sleep(for: .seconds(86400)) } catch { break } }
                return nil
            }
            var failures: [String] = []
            for await failure in group {
                guard let failure else { continue }
                logger.notice(
                    "a machine's address cannot be looked for there",
                    metadata: ["source": "\(failure.name)", "error": "\(failure.error)"])
                failures.append("\(failure.name): \(failure.error)")
                guard failures.count == sources.count else { continue }
                fail(
                    VZEngineError(
                        .failed,
                        "the address of \(hardwareAddress) cannot be found: \(failures.joined(separator: "; "))"))
            }
        }
        fail(VZEngineError(.failed, "the address of \(hardwareAddress) is not looked for any more"))
        changed.finish()
    }

    /// The address, as soon as it is known.
    /// - Throws: `VZEngineError` with `deadline` after `limit`, `failed` when no source works here; `CancellationError`.
    public func first(within limit: Duration) async throws -> NetworkAddress {
        try await withThrowingTaskGroup(of: NetworkAddress.self) { group in
            group.addTask { [self] in try await wait() }
            group.addTask { [hardwareAddress] in
                try await Task.sleep(for: limit)
                throw VZEngineError(
                    .deadline,
                    "no address of the machine's network card \(hardwareAddress) was seen within \(limit): does a DHCP "
                        + "server answer on its network, and has that addresses left?")
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    private func wait() async throws -> NetworkAddress {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let answer: Result<NetworkAddress, any Error>? = state.withLock { state in
                    if let current = state.choice.current { return .success(current) }
                    if let failure = state.failure { return .failure(failure) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting[id] = continuation
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }

    private func see(_ sighting: AddressSighting, in source: String) {
        logger.debug(
            "a machine's address was seen",
            metadata: [
                "address": "\(sighting.address)", "source": "\(source)", "evidence": "\(sighting.evidence)",
            ])
        let elapsed = ContinuousClock.now - start
        tell(state.withLock { $0.choice.handle(sighting, at: elapsed) }, source)
    }

    private func tell(_ address: NetworkAddress?, _ source: String) {
        guard let address else { return }
        let (waiting, isFirst) = state.withLock { state in
            defer { state.waiting = [:] }
            let isFirst = !state.hasTold
            state.hasTold = true
            return (Array(state.waiting.values), isFirst)
        }
        logger.info("the machine's address is known", metadata: ["address": "\(address)", "source": "\(source)"])
        for continuation in waiting { continuation.resume(returning: address) }
        if !isFirst { changed.yield(address) }
    }

    private func fail(_ error: VZEngineError) {
        let waiting = state.withLock { state in
            if state.failure == nil { state.failure = error }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume(throwing: error) }
    }
}
