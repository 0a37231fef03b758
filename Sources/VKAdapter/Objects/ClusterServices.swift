import KubeAPI
import Logging
import NIOConcurrencyHelpers
import Waiting

/// The services of the cluster, followed: pods are told of them in their environment.
final class ClusterServices: Sendable {
    private struct State {
        var services: [String: ClusterService]?
        var error: String?
    }

    private let client: KubeClient
    private let logger: Logger
    private let state = NIOLockedValueBox(State())
    private let listed = Latch()

    init(client: KubeClient, logger: Logger) {
        self.client = client
        self.logger = logger
    }

    /// Runs until the task is cancelled.
    func run() async {
        var options = Reflector<ClusterService>.Options()
        options.failed = { [state] error in
            state.withLockedValue { if $0.services == nil { $0.error = "\(error)" } }
        }
        await Reflector(.services, client: client, options: options, logger: logger).run { [state, listed] news in
            defer { listed.open() }
            state.withLockedValue { state in
                switch news {
                case .replaced(let all, _): state.services = Dictionary(all.map { (Self.key($0), $0) }) { $1 }
                case .changed(let service): state.services?[Self.key(service)] = service
                case .removed(let service): state.services?[Self.key(service)] = nil
                case .unreadable: break
                }
            }
        }
    }

    private static func key(_ service: ClusterService) -> String {
        "\(service.metadata.namespace)/\(service.metadata.name)"
    }

    /// By namespace and name. Waits for them a moment when the adapter has only just started.
    /// - Throws: as long as they are not known: a container that starts now would never learn of them.
    func all() async throws(AdapterError) -> [ClusterService] {
        await listed.wait(atMost: .seconds(10))
        let (isKnown, error) = state.withLockedValue { ($0.services != nil, $0.error) }
        guard isKnown else {
            throw AdapterError(
                .unavailable,
                "services have not yet been read at least once, cannot construct envvars"
                    + (error.map { ": \($0)" } ?? ""))
        }
        return known
    }

    /// Those that are known now, which may be none.
    var known: [ClusterService] {
        (state.withLockedValue { $0.services } ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    }
}
