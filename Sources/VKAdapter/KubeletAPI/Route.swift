import NIOHTTP1

/// What a path of the kubelet API means.
enum Route: Sendable, Hashable {
    case healthz
    case pods
    case runningPods
    case containerLogs(namespace: String, pod: String, container: String)
    case exec(namespace: String, pod: String, uid: String?, container: String)
    case attach(namespace: String, pod: String, uid: String?, container: String)
    case portForward(namespace: String, pod: String, uid: String?)
    case run(namespace: String, pod: String, uid: String?, container: String)
    case checkpoint(namespace: String, pod: String, container: String)
    case statsSummary
    case metrics
    case resourceMetrics
    case containerMetrics
    case probeMetrics
    case configz
    /// Below the directory of logs; empty for itself.
    case nodeLogs(path: String)
    case unknown

    /// - Parameter path: percent-decoded.
    init(_ path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        self = Self.ofNode(parts) ?? Self.ofPods(parts) ?? .unknown
    }

    private static func ofNode(_ parts: [String]) -> Route? {
        switch (parts.first, parts.count) {
        case ("healthz", 1): .healthz
        case ("healthz", 2) where ["ping", "log", "syncloop"].contains(parts[1]): .healthz
        case ("pods", 1): .pods
        case ("runningpods", 1): .runningPods
        case ("stats", 2) where parts[1] == "summary": .statsSummary
        case ("metrics", 1): .metrics
        case ("metrics", 2):
            switch parts[1] {
            case "resource": .resourceMetrics
            case "cadvisor": .containerMetrics
            case "probes": .probeMetrics
            default: nil
            }
        case ("configz", 1): .configz
        case ("logs", _): .nodeLogs(path: parts.dropFirst().joined(separator: "/"))
        default: nil
        }
    }

    private static func ofPods(_ parts: [String]) -> Route? {
        switch (parts.first, parts.count) {
        case ("containerLogs", 4): .containerLogs(namespace: parts[1], pod: parts[2], container: parts[3])
        case ("exec", 4): .exec(namespace: parts[1], pod: parts[2], uid: nil, container: parts[3])
        case ("exec", 5): .exec(namespace: parts[1], pod: parts[2], uid: parts[3], container: parts[4])
        case ("attach", 4): .attach(namespace: parts[1], pod: parts[2], uid: nil, container: parts[3])
        case ("attach", 5): .attach(namespace: parts[1], pod: parts[2], uid: parts[3], container: parts[4])
        case ("portForward", 3): .portForward(namespace: parts[1], pod: parts[2], uid: nil)
        case ("portForward", 4): .portForward(namespace: parts[1], pod: parts[2], uid: parts[3])
        case ("run", 4): .run(namespace: parts[1], pod: parts[2], uid: nil, container: parts[3])
        case ("run", 5): .run(namespace: parts[1], pod: parts[2], uid: parts[3], container: parts[4])
        case ("checkpoint", 4): .checkpoint(namespace: parts[1], pod: parts[2], container: parts[3])
        default: nil
        }
    }

    /// Empty for a path that does not exist.
    var methods: [HTTPMethod] {
        switch self {
        case .healthz, .pods, .runningPods, .containerLogs, .statsSummary, .metrics, .resourceMetrics,
            .containerMetrics, .probeMetrics, .configz, .nodeLogs:
            [.GET]
        case .exec, .attach, .portForward: [.GET, .POST]
        case .run, .checkpoint: [.POST]
        case .unknown: []
        }
    }

    /// The subresources of the node one of which a requester must be allowed, for a path that exists or not (the
    /// kubelet's fine-grained authorisation).
    static func subresources(of path: String) -> [String] {
        switch path.split(separator: "/").first {
        case "healthz": ["healthz", "proxy"]
        case "pods", "runningpods": ["pods", "proxy"]
        case "configz", "flagz": ["configz", "proxy"]
        case "stats": ["stats"]
        case "metrics": ["metrics"]
        case "logs": ["log"]
        case "checkpoint": ["checkpoint"]
        case "statusz": ["statusz"]
        default: ["proxy"]
        }
    }

    /// The first part of the path, as metrics name it.
    var name: String {
        switch self {
        case .healthz: "healthz"
        case .pods: "pods"
        case .runningPods: "runningpods"
        case .containerLogs: "containerLogs"
        case .exec: "exec"
        case .attach: "attach"
        case .portForward: "portForward"
        case .run: "run"
        case .checkpoint: "checkpoint"
        case .statsSummary: "stats/summary"
        case .metrics: "metrics"
        case .resourceMetrics: "metrics/resource"
        case .containerMetrics: "metrics/cadvisor"
        case .probeMetrics: "metrics/probes"
        case .configz: "configz"
        case .nodeLogs: "logs"
        case .unknown: "other"
        }
    }

    /// Whether it goes on as long as its client wants.
    var isLong: Bool {
        switch self {
        case .exec, .attach, .portForward, .containerLogs, .run: true
        default: false
        }
    }
}
