import Proto
import Synchronization

/// One open GetContainerEvents stream. Its queue is bounded: a reader that falls behind is told so and let go.
struct EventSubscriber: Sendable {
    /// Events a reader may be behind before its stream is closed.
    static let capacity = 1024

    let events: AsyncStream<CRI.ContainerEventResponse>.Continuation
    /// Finished without an element when the queue overflowed.
    let overflow: AsyncStream<Void>.Continuation
}

/// The reader's end of a subscription.
struct EventSubscription: Sendable {
    let id: Int
    let events: AsyncStream<CRI.ContainerEventResponse>
    /// Yields once when the reader was too slow.
    let overflow: AsyncStream<Void>
}

extension StateStore {
    /// Starts to collect events for one reader; end it with ``unsubscribe(_:)``.
    func subscribe() -> EventSubscription {
        let (events, eventsIn) = AsyncStream.makeStream(
            of: CRI.ContainerEventResponse.self, bufferingPolicy: .bufferingOldest(EventSubscriber.capacity))
        let (overflow, overflowIn) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        let id = state.withLock { state in
            let id = state.nextSubscriber
            state.nextSubscriber += 1
            state.subscribers[id] = EventSubscriber(events: eventsIn, overflow: overflowIn)
            return id
        }
        return EventSubscription(id: id, events: events, overflow: overflow)
    }

    /// Tells the subscribers that something of a pod is another: its address, or what is to be known of a container. The CRI has
    /// no word for that: they hear of a container of the pod that runs, and with it of the pod as it is.
    func announceChange(of container: String, inSandbox id: String) {
        state.withLock { state in
            guard let sandbox = state.sandboxes[id]?.entry, state.containers[container]?.entry.phase == .running else {
                return
            }
            state.announce(.containerStartedEvent, of: container, sandbox: sandbox)
        }
    }

    func unsubscribe(_ subscription: EventSubscription) {
        let removed = state.withLock { $0.subscribers.removeValue(forKey: subscription.id) }
        removed?.events.finish()
        removed?.overflow.finish()
    }

    /// Ends every event stream: the daemon is going down.
    func endSubscriptions() {
        let all = state.withLock { state in
            defer { state.subscribers = [:] }
            return state.subscribers
        }
        for subscriber in all.values {
            subscriber.events.finish()
            subscriber.overflow.finish()
        }
    }
}

extension StateStore.State {
    mutating func announce(_ sandbox: SandboxEntry, before: SandboxEntry?) {
        guard !subscribers.isEmpty else { return }
        let was = before?.isReady
        if before == nil { announce(.containerCreatedEvent, of: sandbox.id, sandbox: sandbox) }
        if sandbox.isReady, was != true { announce(.containerStartedEvent, of: sandbox.id, sandbox: sandbox) }
        if !sandbox.isReady, was == true { announce(.containerStoppedEvent, of: sandbox.id, sandbox: sandbox) }
    }

    mutating func announce(_ container: ContainerEntry, before: ContainerEntry?) {
        guard !subscribers.isEmpty, before?.phase != container.phase else { return }
        let sandbox = sandboxes[container.sandboxID]?.entry
        if before == nil { announce(.containerCreatedEvent, of: container.id, sandbox: sandbox) }
        let started = before?.phase == .running
        if container.phase == .running || (container.phase == .exited && !started && container.startedAt > 0) {
            announce(.containerStartedEvent, of: container.id, sandbox: sandbox)
        }
        if container.phase == .exited { announce(.containerStoppedEvent, of: container.id, sandbox: sandbox) }
    }

    /// Hands an event to every subscriber and lets go of those whose queue is full.
    mutating func announce(_ type: CRI.ContainerEventType, of id: String, sandbox: SandboxEntry?) {
        guard !subscribers.isEmpty else { return }
        let event = CRI.ContainerEventResponse {
            $0.containerId = id
            $0.containerEventType = type
            $0.createdAt = Timestamps.now()
            $0.podSandboxStatus = sandbox?.status
            $0.containersStatuses = sandbox.map { containers(inSandbox: $0.id).map(\.status) } ?? []
        }
        for (key, subscriber) in subscribers {
            guard case .dropped = subscriber.events.yield(event) else { continue }
            subscribers[key] = nil
            subscriber.overflow.yield()
            subscriber.overflow.finish()
            subscriber.events.finish()
        }
    }
}
