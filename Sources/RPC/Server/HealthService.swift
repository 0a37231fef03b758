import NIOConcurrencyHelpers
import NIOCore

/// `grpc.health.v1.Health`: which services of a server answer. Every service of the router and the server as a whole
/// (the empty name) serve from the start and stop with the server.
public final class HealthService: Sendable {
    private struct State {
        var serving: [String: Bool]
        var isShutDown = false
        var watchers: [Int: Watcher] = [:]
        var nextWatcher = 0
    }

    private struct Watcher {
        let service: String
        let changes: AsyncStream<HealthStatus>.Continuation
    }

    private let state: NIOLockedValueBox<State>

    init(services: Set<String>) {
        var serving = ["": true]
        for service in services { serving[service] = true }
        state = NIOLockedValueBox(State(serving: serving))
    }

    /// Says whether `service` (empty: the server as a whole) answers now.
    public func set(_ service: String, serving: Bool) {
        state.withLockedValue { state in
            guard !state.isShutDown else { return }
            state.serving[service] = serving
            for watcher in state.watchers.values where watcher.service == service {
                watcher.changes.yield(serving ? .serving : .notServing)
            }
        }
    }

    /// Everything stops serving, for good.
    func shutDown() {
        state.withLockedValue { state in
            state.isShutDown = true
            for service in state.serving.keys { state.serving[service] = false }
            for watcher in state.watchers.values { watcher.changes.yield(.notServing) }
        }
    }

    func register(in router: inout Router) {
        router.handle(HealthRequest.check) { [self] request, _ in
            guard let serving = state.withLockedValue({ $0.serving[request.service] }) else {
                throw RPCError(.notFound, "there is no service \"\(request.service)\" here")
            }
            return .now(HealthResponse(status: serving ? .serving : .notServing))
        }
        router.handle(HealthRequest.watch) { [self] request, _, writer in
            // Only the newest state matters to a slow watcher.
            let (changes, continuation) = AsyncStream.makeStream(
                of: HealthStatus.self, bufferingPolicy: .bufferingNewest(1))
            let id = state.withLockedValue { state in
                let id = state.nextWatcher
                state.nextWatcher += 1
                state.watchers[id] = Watcher(service: request.service, changes: continuation)
                let known = state.serving[request.service]
                continuation.yield(known.map { $0 ? .serving : .notServing } ?? .serviceUnknown)
                return id
            }
            defer { state.withLockedValue { state in state.watchers[id] = nil } }
            var last: HealthStatus?
            for await status in changes where status != last {
                try await writer.write(HealthResponse(status: status))
                last = status
            }
        }
    }
}
