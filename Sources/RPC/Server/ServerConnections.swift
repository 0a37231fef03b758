import NIOConcurrencyHelpers
import NIOCore

/// The connections of a server: counted for the limit, and told to end.
final class ServerConnections: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var handlers: [ObjectIdentifier: NIOLoopBound<ServerConnection>] = [:]
        var isDraining = false
    }

    private let limit: Int
    private let state = NIOLockedValueBox(State())

    init(limit: Int) { self.limit = limit }

    /// - Returns: false when there are too many, or the server is ending.
    func admit(_ channel: any Channel) -> Bool {
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

    func add(_ handler: ServerConnection, _ channel: any Channel) {
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        state.withLockedValue { state in
            if state.channels[ObjectIdentifier(channel)] != nil { state.handlers[ObjectIdentifier(channel)] = bound }
        }
    }

    /// Lets the calls that run end within `time`, then closes every connection.
    func drain(within time: Duration) async {
        let (channels, handlers) = state.withLockedValue { state in
            state.isDraining = true
            return (state.channels, state.handlers)
        }
        for (id, channel) in channels {
            if let handler = handlers[id] {
                channel.eventLoop.execute { handler.value.beginDrain() }
            } else {
                channel.close(promise: nil)
            }
        }
        guard let loop = channels.values.first?.eventLoop else { return }
        let closed = EventLoopFuture.andAllComplete(channels.values.map(\.closeFuture), on: loop)
        let overdue = loop.scheduleTask(in: .nanoseconds(time.wholeNanoseconds)) {
            for channel in channels.values { channel.close(promise: nil) }
        }
        try? await closed.get()
        overdue.cancel()
    }
}
