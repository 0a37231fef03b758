import NIOConcurrencyHelpers
public import NIOCore

/// The connections of a server: counted for its limit, and told to end when the server does.
public final class ConnectionRegistry<Handler>: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var handlers: [ObjectIdentifier: NIOLoopBound<Handler>] = [:]
        var isDraining = false
    }

    private let limit: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameter limit: connections at once.
    public init(limit: Int) { self.limit = limit }

    /// Counts a channel until it closes.
    /// - Returns: false when there are too many, or the server is ending.
    public func admit(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let admitted = state.withLockedValue { state in
            guard !state.isDraining, state.channels.count < limit else { return false }
            state.channels[id] = channel
            return true
        }
        guard admitted else { return false }
        channel.closeFuture.whenComplete { [self] _ in
            state.withLockedValue { state in
                state.channels[id] = nil
                state.handlers[id] = nil
            }
        }
        return true
    }

    /// Names the handler that ends an admitted channel well. Called on the channel's event loop.
    public func add(_ handler: Handler, _ channel: any Channel) {
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        state.withLockedValue { state in
            if state.channels[ObjectIdentifier(channel)] != nil { state.handlers[ObjectIdentifier(channel)] = bound }
        }
    }

    /// Calls `begin` with every handler on its event loop, closes channels without one, and returns when all are
    /// closed; those left after `time` are closed then.
    public func drain(within time: TimeAmount, begin: @escaping @Sendable (Handler) -> Void) async {
        let (channels, handlers) = state.withLockedValue { state in
            state.isDraining = true
            return (state.channels, state.handlers)
        }
        guard let loop = channels.values.first?.eventLoop else { return }
        for (id, channel) in channels {
            if let handler = handlers[id] {
                channel.eventLoop.execute { begin(handler.value) }
            } else {
                channel.close(promise: nil)
            }
        }
        let closed = EventLoopFuture.andAllComplete(channels.values.map(\.closeFuture), on: loop)
        let overdue = loop.scheduleTask(in: time) {
            for channel in channels.values { channel.close(promise: nil) }
        }
        try? await closed.get()
        overdue.cancel()
    }
}
