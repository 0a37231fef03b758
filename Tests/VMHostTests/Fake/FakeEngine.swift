import NIOCore
import Processes
import Synchronization
import VZEngine

/// An engine whose machines are of nothing, and end as the test says.
final class FakeEngine: MachineEngine {
    private let machines = Mutex<[FakeMachine]>([])
    private let failure: VZEngineError?
    /// Whether guests notice the power button.
    private let heedsButton: Bool
    /// nil: it cannot be found.
    private let address: GuestAddress?
    private let replacesShares: Bool
    private let onEnd: @Sendable () -> Void

    init(
        failure: VZEngineError? = nil, heedsButton: Bool = true, replacesShares: Bool = false,
        address: GuestAddress? = GuestAddress(host: "127.0.0.1", port: 2222), onEnd: @escaping @Sendable () -> Void = {}
    ) {
        self.failure = failure
        self.heedsButton = heedsButton
        self.replacesShares = replacesShares
        self.address = address
        self.onEnd = onEnd
    }

    var machine: FakeMachine? { machines.withLock { $0.last } }

    func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        if let failure { throw failure }
        let machine = FakeMachine(
            heedsButton: heedsButton, replacesShares: replacesShares, address: address, onEnd: onEnd)
        machines.withLock { $0.append(machine) }
        return machine
    }
}

final class FakeMachine: Machine {
    let processes = [ProcessIdentity(id: 1, startTime: 2, bootID: "fake")]
    let console: AsyncStream<ByteBuffer>
    private let said: AsyncStream<ByteBuffer>.Continuation
    let changes: AsyncStream<MachineChange>
    private let changed: AsyncStream<MachineChange>.Continuation
    private let ended = AsyncStream.makeStream(of: MachineEnd.self)
    private let heedsButton: Bool
    private let state = Mutex((end: MachineEnd?.none, presses: 0, isPaused: false))

    private let address: GuestAddress?
    private let onEnd: @Sendable () -> Void

    private let replacesShares: Bool
    private let shares = Mutex<[MachineConfig.Share]>([])

    init(
        heedsButton: Bool, replacesShares: Bool, address: GuestAddress?, onEnd: @escaping @Sendable () -> Void
    ) {
        self.heedsButton = heedsButton
        self.replacesShares = replacesShares
        self.address = address
        self.onEnd = onEnd
        (console, said) = AsyncStream.makeStream()
        (changes, changed) = AsyncStream.makeStream()
    }

    var hasEnded: Bool { state.withLock { $0.end != nil } }
    var presses: Int { state.withLock { $0.presses } }

    var isPaused: Bool { state.withLock { $0.isPaused } }

    /// Shares that it was given in the place of others.
    var replaced: [MachineConfig.Share] { shares.withLock { $0 } }

    func replaceShare(_ share: MachineConfig.Share) async throws {
        guard replacesShares else { throw VZEngineError(.unsupported, "this machine cannot change its shares") }
        shares.withLock { $0.append(share) }
    }

    func change(_ change: MachineChange) { changed.yield(change) }

    func say(_ text: String) { said.yield(ByteBuffer(string: text)) }

    func end(_ end: MachineEnd) {
        let isFirst = state.withLock { state in
            defer { state.end = state.end ?? end }
            return state.end == nil
        }
        guard isFirst else { return }
        onEnd()
        said.finish()
        changed.finish()
        ended.continuation.yield(end)
        ended.continuation.finish()
    }

    func guestAddress() async throws -> GuestAddress {
        guard let address else { throw VZEngineError(.guestUnreachable, "it is in no table") }
        return address
    }

    func pressPowerButton() async throws {
        state.withLock { $0.presses += 1 }
        if heedsButton { end(.poweredOff) }
    }

    func pause() async throws { state.withLock { $0.isPaused = true } }
    func resume() async throws { state.withLock { $0.isPaused = false } }

    func statistics() async throws -> MachineStatistics {
        var statistics = MachineStatistics()
        statistics.diskReadBytes = 17
        return statistics
    }

    func powerOff() async { end(.forced) }

    func waitForEnd() async -> MachineEnd {
        for await end in ended.stream { return end }
        return state.withLock { $0.end } ?? .crashed(message: "waited for twice")
    }
}
