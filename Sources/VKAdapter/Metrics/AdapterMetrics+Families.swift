import KubeAPI

extension AdapterMetrics {
    static let runtimeOperations = Family(
        name: "kubelet_runtime_operations_total",
        help: "[ALPHA] Cumulative number of runtime operations by operation type.")
    static let runtimeErrors = Family(
        name: "kubelet_runtime_operations_errors_total",
        help: "[ALPHA] Cumulative number of runtime operation errors by operation type.")
    static let runtimeDuration = Family(
        name: "kubelet_runtime_operations_duration_seconds",
        help: "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.",
        buckets: exponential(from: 0.005, by: 2.5, count: 14))
    static let requests = Family(
        name: "kubelet_http_requests_total",
        help: "[ALPHA] Number of the http requests received since the server started")
    static let requestDuration = Family(
        name: "kubelet_http_requests_duration_seconds", help: "[ALPHA] Duration in seconds to serve http requests",
        buckets: usual)
    static let podStart = Family(
        name: "kubelet_pod_start_duration_seconds",
        help: "[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
        buckets: [
            0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700,
            3600,
        ])
    static let podWorker = Family(
        name: "kubelet_pod_worker_duration_seconds",
        help:
            "[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
        buckets: usual)
    static let relist = Family(
        name: "kubelet_pleg_relist_duration_seconds", help: "[ALPHA] Duration in seconds for relisting pods in PLEG.",
        buckets: usual)
    static let evictions = Family(
        name: "kubelet_evictions", help: "[ALPHA] Cumulative number of pod evictions by eviction signal")
    static let clusterRequests = Family(
        name: "rest_client_requests_total",
        help: "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.")
    static let clusterDuration = Family(
        name: "rest_client_request_duration_seconds",
        help: "[ALPHA] Request latency in seconds. Broken down by verb, and host.",
        buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60])
    static let probes = Family(
        name: "prober_probe_total",
        help: "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.")
    static let probeDuration = Family(
        name: "prober_probe_duration_seconds",
        help: "[ALPHA] Duration in seconds for a probe response.",
        buckets: usual)

    /// What `/metrics` shows of the counters, in this order.
    static let own = [
        evictions, requestDuration, requests, relist, podStart, podWorker, runtimeDuration, runtimeErrors,
        runtimeOperations, clusterDuration, clusterRequests,
    ]

    /// Prometheus' own.
    private static let usual: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private static func exponential(from first: Double, by factor: Double, count: Int) -> [Double] {
        var next = first
        return (0..<count).map { _ in
            defer { next *= factor }
            return next
        }
    }

    /// Notes a call of the runtime.
    func called(_ method: String, _ start: ContinuousClock.Instant, failed: Bool) {
        let operation = Self.operation(method)
        count(Self.runtimeOperations, ["operation_type": operation])
        if failed { count(Self.runtimeErrors, ["operation_type": operation]) }
        observe(Self.runtimeDuration, ["operation_type": operation], start.duration(to: .now))
    }

    /// The kubelet's name of a method of the CRI: `RunPodSandbox` is `run_podsandbox`.
    static func operation(_ method: String) -> String {
        var out = ""
        for character in method.unicodeScalars {
            if character.properties.isUppercase, !out.isEmpty { out += "_" }
            out += character.properties.lowercaseMapping
        }
        return out.replacing("pod_sandbox", with: "podsandbox")
    }

    /// Notes a request to the API server.
    func asked(_ call: KubeCall) {
        let host = "\(call.host)"
        count(
            Self.clusterRequests,
            ["code": call.status.map { "\($0)" } ?? "<error>", "host": host, "method": call.method])
        observe(Self.clusterDuration, ["host": host, "verb": call.method], call.duration)
    }

    // MARK: Probes

    /// Notes what a probe found.
    func probed(
        _ pod: Pod, _ container: String, _ kind: ProbeState.Kind, _ outcome: ProbeState.Outcome, _ time: Duration
    ) {
        let (name, namespace) = (pod.metadata.name, pod.metadata.namespace)
        let result =
            switch outcome {
            case .success: "successful"
            case .failure: "failed"
            case .unknown: "unknown"
            }
        count(
            Self.probes,
            [
                "container": container, "namespace": namespace, "pod": name, "pod_uid": pod.metadata.uid,
                "probe_type": kind.rawValue, "result": result,
            ])
        // As the kubelet: how long a failure took says nothing.
        if case .failure = outcome { return }
        observe(
            Self.probeDuration,
            ["container": container, "namespace": namespace, "pod": name, "probe_type": kind.rawValue], time)
    }

    /// Nothing of the pod's probes is told any more.
    func forgetProbes(of pod: Pod) {
        forget(["pod_uid": pod.metadata.uid])
        forget(["namespace": pod.metadata.namespace, "pod": pod.metadata.name])
    }
}
