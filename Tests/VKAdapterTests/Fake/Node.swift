import APIServer
import Foundation
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Proto
import RPC
import Sockets
import Support

@testable import VKAdapter

/// A node of a test: its directories and the fake runtime. The adapter on it is started and dies as often as the test
/// wants.
struct Node: Sendable {
    let directory: String
    let runtime = FakeRuntime()
    let log = NIOLockedValueBox<[String]>([])

    @discardableResult
    static func with<R>(_ body: (Node) async throws -> R) async throws -> R {
        try await withTemporaryDirectory { directory in
            let node = Node(directory: directory)
            try FileManager.default.createDirectory(atPath: node.manifests, withIntermediateDirectories: true)
            return try await body(node)
        }
    }

    /// The runtime serves and the adapter runs while the body does. Then the adapter is gone as after `kill -9`: nothing
    /// it would still say or do at an orderly end happens.
    @discardableResult
    func running<R>(poll: Bool = false, _ body: (Adapter) async throws -> R) async throws -> R {
        try await runtime.serve(socket) { endpoint in try await adapter(endpoint, body) }
    }

    var socket: String { "\(directory)/cri.sock" }
    var manifests: String { "\(directory)/manifests" }
    var root: String { "\(directory)/root" }

    var configuration: AdapterConfiguration {
        var configuration = AdapterConfiguration(runtime: .unix(path: socket), nodeName: "n", root: root)
        configuration.nodeAddresses = ["192.0.2.1"]
        configuration.podManifestPath = manifests
        configuration.logRoot = "\(directory)/logs"
        configuration.kubeletAddress = .tcp(host: "127.0.0.1", port: 0)
        configuration.backOffInitial = .milliseconds(200)
        configuration.backOffMaximum = .milliseconds(400)
        configuration.retryInterval = .milliseconds(100)
        return configuration
    }

    struct Adapter: Sendable {
        let store: PodStore
        let daemon: AdapterDaemon

        /// The status of the pod, without its node's name.
        func status(_ name: String) -> PodStatus? { store.pod(namespace: "default", name: "\(name)-n")?.status }
        func phase(_ name: String) -> PodPhase? { status(name)?.phase }
        func isReady(_ name: String) -> Bool { status(name)?.condition(.ready)?.status == "True" }
    }

    /// As a node of a cluster, with the rights of one.
    @discardableResult
    func running<R>(
        in cluster: APIServerDouble, manifests: Bool = false, _ body: (Adapter) async throws -> R
    ) async throws -> R {
        try await runtime.serve(socket) { endpoint in
            var configuration = configuration
            if !manifests { configuration.podManifestPath = nil }
            configuration.cluster = cluster.connection(as: .node("n"))
            configuration.clusterDNS = ["10.96.0.10"]
            configuration.leaseInterval = .milliseconds(200)
            configuration.healthInterval = .milliseconds(100)
            return try await adapter(endpoint, configuration: configuration, body)
        }
    }

    func adapter<R>(
        _ endpoint: Endpoint, configuration: AdapterConfiguration? = nil, _ body: (Adapter) async throws -> R
    ) async throws -> R {
        var logger = Logger(label: "adapter") { _ in LineLog(lines: log) }
        logger.logLevel = .info
        let daemon = try await AdapterDaemon(configuration ?? self.configuration, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await daemon.run() }
            defer { group.cancelAll() }
            return try await Diagnostics.showing({ [log] in log.withLockedValue { $0.suffix(40) } }) {
                try await body(Adapter(store: daemon.store, daemon: daemon))
            }
        }
    }

    // MARK: Manifests

    func write(_ file: String, _ text: String) throws {
        try text.write(toFile: "\(manifests)/\(file)", atomically: true, encoding: .utf8)
    }

    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(manifests)/\(file)") }

    func pod(_ name: String, _ policy: String = "Always", image: String = "busybox:1", more: String = "") throws {
        try write(
            "\(name).yaml",
            """
            apiVersion: v1
            kind: Pod
            metadata:
              name: \(name)
            spec:
              restartPolicy: \(policy)
              terminationGracePeriodSeconds: 5
              containers:
              - name: \(name)
                image: "\(image)"
            \(more)
            """)
    }

    /// Log lines with this in them.
    func logged(_ text: String) -> [String] { log.withLockedValue { $0.filter { $0.contains(text) } } }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

/// Keeps what is logged.
struct LineLog: LogHandler {
    let lines: NIOLockedValueBox<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.withLockedValue { $0.append("\(event.level) \(event.message)") }
    }
}
