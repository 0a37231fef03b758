import Sockets

/// Where a pod is, for whoever wants to reach its ports.
struct PodAddress: Sendable, Hashable {
    /// As the runtime gave it; empty while there is none.
    var ip: String
    var sandboxID: String
}

/// The way to the ports of pods. Nobody else assumes that the address of a pod can be dialled: on a Mac it cannot.
protocol PodDialer: Sendable {
    /// Runs the body with an endpoint at which a port of the pod answers, for as long as the body runs.
    /// - Throws: what the body throws; ``AdapterError`` when there is no way.
    func reach<R: Sendable>(
        _ port: Int, of pod: PodAddress, _ body: @escaping @Sendable (Endpoint) async throws -> R
    ) async throws -> R

    /// Whether something takes connections at a port of the pod.
    /// - Throws: ``AdapterError`` with one line that says why not; `timedOut` when nobody answers.
    func check(_ port: Int, of pod: PodAddress, timeout: Duration) async throws
}

/// How pods are reached.
public enum PodDialing: String, Sendable, CaseIterable {
    /// Directly where the runtime is on this machine and runs its containers there, else through the runtime.
    case auto
    /// At the pod's address.
    case direct
    /// Through the runtime's streaming endpoint (CRI `PortForward`).
    case forward

    /// Whether addresses of pods are dialled.
    /// - Parameters:
    ///   - runtime: where the runtime is.
    ///   - sharesNetwork: containers run on this machine itself and not in a virtual machine of Docker's.
    func isDirect(runtime: Endpoint, sharesNetwork: Bool) -> Bool {
        switch self {
        case .direct: return true
        case .forward: return false
        case .auto:
            guard case .unix = runtime else { return false }
            return sharesNetwork
        }
    }
}
