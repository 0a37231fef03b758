import KubeAPI
import NIOConcurrencyHelpers
import Proto

@testable import VKAdapter

/// How long the cluster takes to learn what a container does: from the moment it begins or ends in the runtime to the one
/// where the API server's status says it, or something later of it.
final class StatusLag: Sendable {
    struct Phase: Sendable, CustomStringConvertible {
        var name: String
        var lags: [Duration] = []
        /// What took longest.
        var slowest: [(lag: Duration, what: String)] = []

        func percentile(_ share: Double) -> Duration {
            guard !lags.isEmpty else { return .zero }
            return lags.sorted()[min(lags.count - 1, Int(Double(lags.count) * share))]
        }

        mutating func add(_ lag: Duration, _ what: String) {
            lags.append(lag)
            slowest.append((lag, what))
            slowest.sort { $0.lag > $1.lag }
            if slowest.count > 5 { slowest.removeLast() }
        }

        var description: String {
            func text(_ time: Duration) -> String { "\(Int(time / .milliseconds(1))) ms" }
            return "\(name): \(lags.count) changes, status lag p50 \(text(percentile(0.5))), "
                + "p99 \(text(percentile(0.99))), max \(text(percentile(1))); slowest: "
                + slowest.map { "\($0.what) \(text($0.lag))" }.joined(separator: ", ")
        }
    }

    private struct Change: Hashable {
        var container: String
        var isEnd: Bool
    }
    private struct State {
        var phase = 0
        var phases: [Phase] = []
        var due: [Change: (since: ContinuousClock.Instant, phase: Int, what: String)] = [:]
        var told: Set<Change> = []
    }
    private let state = NIOLockedValueBox(State())

    var phases: [Phase] { state.withLockedValue { $0.phases } }

    func phase(_ name: String) -> Phase { phases.first { $0.name == name } ?? Phase(name: name) }

    /// What happens from now on belongs to this phase; with `disturbed` also what has happened and was not told yet.
    func begin(_ name: String, disturbed: Bool = false) {
        state.withLockedValue { state in
            let index = state.phases.firstIndex { $0.name == name } ?? state.phases.count
            if index == state.phases.count { state.phases.append(Phase(name: name)) }
            state.phase = index
            guard disturbed else { return }
            for change in state.due.keys { state.due[change]?.phase = index }
        }
    }

    /// In the runtime.
    func happened(_ status: CRI.ContainerStatus) {
        let now = ContinuousClock.now
        state.withLockedValue { state in
            func note(_ change: Change) {
                if state.due[change] == nil, !state.told.contains(change) {
                    let what = "\(change.isEnd ? "end" : "start") of \(status.labels[KubeletLabel.podName] ?? "?")"
                    state.due[change] = (now, state.phase, what)
                }
            }
            switch status.state {
            case .containerRunning: note(Change(container: status.id, isEnd: false))
            case .containerExited: note(Change(container: status.id, isEnd: true))
            default: break
            }
        }
    }

    /// In the API server.
    func told(_ pod: Value) {
        let now = ContinuousClock.now
        let statuses = pod["status"]?["containerStatuses"]?.array ?? []
        state.withLockedValue { state in
            func take(_ id: Value?, ended: Bool) {
                guard let id = id?.string?.split(separator: "/").last.map(String.init) else { return }
                for change in [Change(container: id, isEnd: false), Change(container: id, isEnd: true)]
                where ended || !change.isEnd {
                    state.told.insert(change)
                    guard let (since, phase, what) = state.due.removeValue(forKey: change) else { continue }
                    state.phases[phase].add(since.duration(to: now), what)
                }
            }
            for status in statuses {
                let ended = status["state"]?["terminated"]
                if ended != nil || status["state"]?["running"] != nil {
                    take(status["containerID"], ended: ended != nil)
                }
                take(ended?["containerID"], ended: true)
                take(status["lastState"]?["terminated"]?["containerID"], ended: true)
            }
        }
    }
}
