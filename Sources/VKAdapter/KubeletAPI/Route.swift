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
    case unknown

    /// - Parameter path: percent-decoded.
    init(_ path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        switch (parts.first, parts.count) {
        case ("healthz", 1): self = .healthz
        case ("healthz", 2) where ["ping", "log", "syncloop"].contains(parts[1]): self = .healthz
        case ("pods", 1): self = .pods
        case ("runningpods", 1): self = .runningPods
        case ("containerLogs", 4): self = .containerLogs(namespace: parts[1], pod: parts[2], container: parts[3])
        case ("exec", 4): self = .exec(namespace: parts[1], pod: parts[2], uid: nil, container: parts[3])
        case ("exec", 5): self = .exec(namespace: parts[1], pod: parts[2], uid: parts[3], container: parts[4])
        case ("attach", 4): self = .attach(namespace: parts[1], pod: parts[2], uid: nil, container: parts[3])
        case ("attach", 5): self = .attach(namespace: parts[1], pod: parts[2], uid: parts[3], container: parts[4])
        case ("portForward", 3): self = .portForward(namespace: parts[1], pod: parts[2], uid: nil)
        case ("portForward", 4): self = .portForward(namespace: parts[1], pod: parts[2], uid: parts[3])
        default: self = .unknown
        }
    }

    /// Empty for a path that does not exist.
    var methods: [HTTPMethod] {
        switch self {
        case .healthz, .pods, .runningPods, .containerLogs: [.GET]
        case .exec, .attach, .portForward: [.GET, .POST]
        case .unknown: []
        }
    }

    /// The subresources of the node one of which a requester must be allowed (the kubelet's fine-grained authorisation).
    var subresources: [String] {
        switch self {
        case .healthz: ["healthz", "proxy"]
        case .pods, .runningPods: ["pods", "proxy"]
        default: ["proxy"]
        }
    }
}
