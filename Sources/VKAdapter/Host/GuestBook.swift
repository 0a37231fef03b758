import KubeAPI
import NIOConcurrencyHelpers
import Proto

/// Which machines can be reached, as the runtime's host last said: a machine without a readiness probe is ready by that.
final class GuestBook: Sendable {
    private struct State {
        /// Whether the host tells of guests at all; `nil` before it was asked.
        var isServed: Bool?
        /// By container; `nil` before all were told of.
        var reachable: [String: Bool]?
    }
    private let state = NIOLockedValueBox(State())

    /// Machines are ready as soon as they run: nobody tells more.
    func isNotServed() {
        state.withLockedValue { $0 = State(isServed: false) }
    }

    /// - Returns: whether anything is another than before.
    func replace(_ all: [String: Bool]) -> Bool {
        state.withLockedValue { state in
            defer { state = State(isServed: true, reachable: all) }
            return state.reachable != all
        }
    }

    /// - Returns: whether it is another than before.
    func note(_ container: String, isReachable: Bool) -> Bool {
        state.withLockedValue { state in
            let before = state.reachable?.updateValue(isReachable, forKey: container)
            return before != isReachable
        }
    }

    /// Whether a container that runs is ready, as far as it is a machine.
    /// - Parameters:
    ///   - isMachine: it is known to be one.
    ///   - wasReady: it was ready when it was last looked at.
    /// - Returns: `nil` for what is no machine, or where nobody tells.
    func isReady(_ container: String, isMachine: Bool, wasReady: Bool) -> Bool? {
        state.withLockedValue { state in
            if state.isServed == false { return nil }
            if let known = state.reachable?[container] { return known }
            guard isMachine else { return nil }
            // Not told of yet: it stays what it was. One that has just begun cannot be reached.
            return wasReady
        }
    }
}

extension StatusInput {
    /// Has machines without a readiness probe be ready when they can be reached.
    mutating func readGuests(_ book: GuestBook) {
        let isMachine = sandbox?.annotations[RuntimePlan.Annotation.kind] == RuntimePlan.Kind.vm.rawValue
        let before = (previous?.initContainerStatuses ?? []) + (previous?.containerStatuses ?? [])
        for container in pod.spec.initContainers + pod.spec.containers
        where readiness[container.name] == nil && container.readinessProbe == nil {
            let runs = containers.filter { $0.metadata?.name == container.name && $0.state == .containerRunning }
            guard let run = runs.max(by: { $0.createdAt < $1.createdAt }) else { continue }
            let last = before.first { $0.name == container.name && $0.containerID.hasSuffix("://\(run.id)") }
            readiness[container.name] = book.isReady(run.id, isMachine: isMachine, wasReady: last?.ready ?? false)
        }
    }
}
