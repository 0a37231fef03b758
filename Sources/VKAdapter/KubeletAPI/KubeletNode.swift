import HTTP
import HostFiles
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Proto

/// What the kubelet API serves of the node besides its pods.
struct KubeletNode: Sendable {
    let name: String
    let runtime: any NodeRuntime
    let stats: StatsCollector
    let metrics: AdapterMetrics
    /// What `/configz` shows: nothing secret.
    var configuration = Value(.object([]))
    /// The directory `/logs/` shows; `nil` shows none.
    var logDirectory: String?
    /// Where checkpoints are written, on the runtime's machine.
    var checkpointDirectory: String
    var version = ""
    let started: Timestamp
    var pool: NIOThreadPool = .singleton
}

extension KubeletAPI {
    func answer(_ route: Route, _ request: HTTPRequest, of node: KubeletNode) async throws -> HTTPResponse {
        switch route {
        case .run(let namespace, let pod, let uid, let container):
            return try await run(namespace, pod, uid, container, request, node)
        case .checkpoint(let namespace, let pod, let container):
            return try await checkpoint(namespace, pod, container, request, node)
        case .statsSummary:
            var summary = StatsSummary(sample: try await node.stats.sample())
            summary.onlyProcessorAndMemory = ["true", "1"].contains(request.queryValue("only_cpu_and_memory") ?? "")
            return json(summary.value)
        case .metrics: return metrics(try await ownMetrics(node))
        case .resourceMetrics: return metrics(ResourceMetrics(sample: try await node.stats.sample()).text)
        case .containerMetrics: return metrics(try await containerMetrics(node))
        case .probeMetrics:
            var text = PrometheusText()
            node.metrics.write([AdapterMetrics.probeDuration, AdapterMetrics.probes], to: &text)
            return metrics(text.text)
        case .configz: return json(Value(.object([Member("kubeletconfig", node.configuration)])))
        case .nodeLogs(let path): return try await nodeLogs(path, request, node)
        default: return text(.notFound, "404 page not found")
        }
    }

    func json(_ value: Value) -> HTTPResponse {
        HTTPResponse(
            .ok, headers: ["content-type": "application/json"], body: .bytes(ByteBuffer(bytes: value.jsonBytes())))
    }

    private func metrics(_ text: String) -> HTTPResponse {
        HTTPResponse(.ok, text: text, type: PrometheusText.contentType)
    }

    // MARK: Commands and checkpoints

    /// A command of `/run` that does not end by itself is ended then.
    private static let longestRun: Duration = .seconds(240)

    private func run(
        _ namespace: String, _ name: String, _ uid: String?, _ container: String, _ request: HTTPRequest,
        _ node: KubeletNode
    ) async throws -> HTTPResponse {
        let pod = try pod(namespace, name, uid)
        let command = (request.queryValue("cmd") ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        guard !command.isEmpty else { throw Refusal(status: .badRequest, text: "no command: say ?cmd=COMMAND") }
        let id = try await runningContainer(pod, container)
        let result: CRI.ExecSyncResponse
        do {
            result = try await node.runtime.run(command, in: id, limit: Self.longestRun)
        } catch {
            throw Refusal(status: .internalServerError, text: "\(error)")
        }
        guard result.exitCode == 0 else {
            let errors = String(decoding: result.stderr.prefix(64 << 10), as: UTF8.self)
            throw Refusal(
                status: .internalServerError,
                text: "command '\(command.joined(separator: " "))' exited with \(result.exitCode): \(errors)")
        }
        return HTTPResponse(
            .ok, headers: ["content-type": "text/plain"], body: .bytes(ByteBuffer(bytes: result.stdout + result.stderr))
        )
    }

    private func checkpoint(
        _ namespace: String, _ name: String, _ container: String, _ request: HTTPRequest, _ node: KubeletNode
    ) async throws -> HTTPResponse {
        guard let pod = store.pod(namespace: namespace, name: name) else {
            throw Refusal(status: .notFound, text: "pod does not exist")
        }
        let all = pod.spec.initContainers.map(\.name) + pod.spec.containers.map(\.name)
        guard all.contains(container) else {
            throw Refusal(status: .notFound, text: "container \(container) does not exist")
        }
        var limit: Duration = .seconds(120)
        if let text = request.queryValue("timeout") {
            guard let seconds = Int64(text), (0...86400).contains(seconds) else {
                throw Refusal(status: .notFound, text: "cannot parse value of timeout parameter")
            }
            if seconds > 0 { limit = .seconds(seconds) }
        }
        let id = try await runningContainer(pod, container)
        let directory = node.checkpointDirectory
        let file =
            "\(directory)/checkpoint-\(name)_\(namespace)-\(container)-\(now().description.replacing(":", with: "")).tar"
        do {
            try await node.pool.runIfActive { try Directories.make(directory, mode: 0o700) }
            try await node.runtime.checkpoint(id, to: file, limit: limit)
        } catch let error as AdapterError where error.code == .unimplemented {
            throw Refusal(status: .notFound, text: "the runtime writes no checkpoints: \(error)")
        } catch {
            throw Refusal(
                status: .internalServerError,
                text: "checkpointing of \(namespace)/\(name)/\(container) failed (\(error))")
        }
        return json(Value(.object([Member("items", Value(.array([Value(.string(file))])))])))
    }

    // MARK: Metrics

    private func ownMetrics(_ node: KubeletNode) async throws -> String {
        let process = try await node.pool.runIfActive { ProcessFacts.now() }
        let pods = store.all
        let states = pods.flatMap { pod -> [String] in
            (pod.status.initContainerStatuses + pod.status.containerStatuses).compactMap { status in
                if status.state.running != nil { return "running" }
                return status.state.terminated != nil ? "exited" : nil
            }
        }
        var text = PrometheusText()
        text.one(
            "kubelet_node_name", .gauge, "[ALPHA] The node's name. The count is always 1.", 1, [("node", node.name)])
        text.one(
            "kubelet_running_pods", .gauge, "[ALPHA] Number of pods that have a running pod sandbox",
            Double(pods.count { pod in pod.status.containerStatuses.contains { $0.state.running != nil } }))
        text.family("kubelet_running_containers", .gauge, "[ALPHA] Number of containers currently running")
        for state in ["exited", "running"] {
            text.sample(
                "kubelet_running_containers", [("container_state", state)], Double(states.count { $0 == state }))
        }
        node.metrics.write(
            AdapterMetrics.own, to: &text)
        let sample = try await node.stats.sample()
        let volumes = sample.pods.flatMap { pod in pod.volumes.map { (pod, $0) } }
        if !volumes.isEmpty {
            text.family("kubelet_volume_stats_used_bytes", .gauge, "[ALPHA] Number of used bytes in the volume")
            for (pod, volume) in volumes {
                text.sample(
                    "kubelet_volume_stats_used_bytes",
                    [("namespace", pod.namespace), ("pod", pod.name), ("volume", volume.name)], Double(volume.usedBytes)
                )
            }
        }
        text.one(
            "kubernetes_build_info", .gauge,
            "[BETA] A metric with a constant '1' value labeled by the version it was built as", 1,
            [("git_version", SystemFacts.kubernetesVersion), ("version", node.version)])
        process.write(to: &text, started: Double(node.started.nanosecondsSince1970) / 1e9)
        return text.text
    }

    private func containerMetrics(_ node: KubeletNode) async throws -> String {
        let runtime = node.runtime
        async let own = node.stats.sample()
        var measured = RuntimeMetrics()
        var isPartial = false
        do {
            measured = try await runtime.runtimeMetrics()
        } catch let error as AdapterError where error.code == .unimplemented {
            logger.debug("the runtime names no metrics itself: \(error)")
        } catch {
            logger.warning("metrics are incomplete: \(error)")
            isPartial = true
        }
        return ContainerMetricsText(sample: try await own, runtime: measured, isPartial: isPartial).text
    }
}
