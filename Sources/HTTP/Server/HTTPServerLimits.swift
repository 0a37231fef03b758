import NIOConcurrencyHelpers
public import NIOCore
import NIOHTTP1

/// What clients may cost a server.
public struct HTTPServerLimits: Sendable {
    /// Connections at once, TLS handshakes included.
    public var connections = 1000
    /// How long a connection may stay without a request.
    public var idleTimeout: TimeAmount = .seconds(90)
    /// How long a request head may take, from its first byte to its last.
    public var headTimeout: TimeAmount = .seconds(20)
    /// Bytes of all header fields of a request together, and of its target.
    public var headBytes = 64 << 10
    /// How long a client may be silent in the middle of a request body that is being read.
    public var bodyIdleTimeout: TimeAmount = .seconds(60)

    public init() {}

    var decoder: NIOHTTPDecoderLimitConfiguration {
        var configuration = NIOHTTPDecoderLimitConfiguration()
        configuration.maxHeaderListSize = headBytes
        configuration.maxHeaderFieldSize = min(configuration.maxHeaderFieldSize, headBytes)
        return configuration
    }
}

/// What is done when a connection is silent for too long. Setting it again forgets what was set before.
struct ConnectionTimer {
    private var scheduled: Scheduled<Void>?

    var isSet: Bool { scheduled != nil }

    mutating func set(_ time: TimeAmount, on eventLoop: any EventLoop, _ action: @escaping @Sendable () -> Void) {
        scheduled?.cancel()
        scheduled = eventLoop.scheduleTask(in: time, action)
    }

    mutating func cancel() {
        scheduled?.cancel()
        scheduled = nil
    }
}

/// Counts the handlers that run, and waits until none does.
final class RunningHandlers: Sendable {
    private struct State {
        var count = 0
        var waiters: [EventLoopPromise<Void>] = []
    }

    private let state = NIOLockedValueBox(State())

    var count: Int { state.withLockedValue { $0.count } }

    func began() { state.withLockedValue { $0.count += 1 } }

    func ended() {
        let waiters = state.withLockedValue { state -> [EventLoopPromise<Void>] in
            state.count -= 1
            guard state.count == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.succeed(()) }
    }

    /// Returns when no handler runs, or after `time`.
    func waitForNone(within time: TimeAmount, on eventLoop: any EventLoop) async {
        let none = eventLoop.makePromise(of: Void.self)
        let waits = state.withLockedValue { state in
            if state.count > 0 { state.waiters.append(none) }
            return state.count > 0
        }
        if !waits { none.succeed(()) }
        let overdue = eventLoop.scheduleTask(in: time) { none.succeed(()) }
        defer { overdue.cancel() }
        try? await none.futureResult.get()
    }
}
