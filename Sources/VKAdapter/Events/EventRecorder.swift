import KubeAPI
import Logging

/// Tells the cluster what happens here. Whoever says that something happened never waits: what does not fit into the
/// queue, or cannot be told for long, is lost with a word in the log.
final class EventRecorder: Sendable {
    struct Policy: Sendable {
        /// Before an event that could not be told is tried again.
        var retry: Duration = .seconds(10)
        var tries = 12
        /// Events that wait, at most.
        var queue = 1000
    }

    /// What the events say saw it.
    static let component = "kubelet"

    private let client: KubeClient
    /// The node's name.
    let host: String
    private let policy: Policy
    private let limits: EventCorrelator.Limits
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let queue: AsyncStream<Occurrence>
    private let input: AsyncStream<Occurrence>.Continuation

    /// - Parameter host: the node's name.
    init(
        client: KubeClient, host: String, policy: Policy = Policy(),
        limits: EventCorrelator.Limits = EventCorrelator.Limits(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.client = client
        self.host = host
        self.policy = policy
        self.limits = limits
        self.logger = logger
        self.now = now
        (queue, input) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(policy.queue))
    }

    /// Never waits.
    func record(_ occurrence: Occurrence) {
        if case .dropped(let lost) = input.yield(occurrence) {
            logger.debug("too many events wait, one is lost: \(lost.reason) \(lost.message)")
        }
    }

    func record(_ object: ObjectReference, _ type: PodEventType, _ reason: String, _ message: String) {
        record(Occurrence(object: object, type: type, reason: reason, message: message))
    }

    /// Tells until the task is cancelled, one after the other.
    func run() async {
        var correlator = EventCorrelator(component: Self.component, host: host, limits: limits)
        for await occurrence in queue {
            switch correlator.take(occurrence, now: now()) {
            case .drop: continue
            case .create(let event): await tell(event, isNew: true)
            case .update(let event): await tell(event, isNew: false)
            }
            if Task.isCancelled { return }
        }
    }

    private func tell(_ event: Event, isNew: Bool) async {
        var isNew = isNew
        for attempt in 1...max(1, policy.tries) {
            do {
                if isNew {
                    _ = try await client.create(event, as: .events, namespace: event.metadata.namespace)
                } else {
                    _ = try await client.patch(
                        .events, namespace: event.metadata.namespace, name: event.metadata.name, Self.patch(event))
                }
                return
            } catch let error as KubeAPIError where error.isNotFound && !isNew {
                // Events are forgotten after an hour: it is a new one then.
                isNew = true
            } catch let error as KubeAPIError where error.isAlreadyThere {
                return
            } catch {
                if Task.isCancelled { return }
                if (error as? KubeAPIError)?.isPermanent == true {
                    // A namespace that is going, most often.
                    logger.debug("the cluster does not take event \(event.reason): \(error)")
                    return
                }
                if attempt == policy.tries {
                    logger.warning("event \(event.reason) is lost, the cluster cannot be told: \(error)")
                    return
                }
                do { try await Task.sleep(for: policy.retry) } catch { return }
            }
        }
    }

    /// What is new of an event that is there.
    static func patch(_ event: Event) -> Value {
        Value(
            .object([
                Member("count", event.count.encodedAlways()),
                Member("lastTimestamp", event.lastTimestamp.encodedAlways()),
                Member("message", event.message.encodedAlways()),
            ]))
    }
}
