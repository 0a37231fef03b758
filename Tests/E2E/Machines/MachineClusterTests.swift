import APIServer
import Foundation
import KubeAPI
import Support
import Testing

/// What the reference's own end-to-end suite asks of a node with machines: pods of a cluster, a machine and a container
/// beside it. The API server is the tests' double, and a real one where its programs are.
@Suite(.enabled(if: MachineHost.canRun && DockerEngine.isAvailable, MachineHost.skipReason)) struct MachineClusterTests
{
    private struct Bench: Sendable {
        let client: KubeClient
        let node: NodeProcess

        func pod(_ name: String) async throws -> Pod? {
            do {
                return try await client.get(.pods, namespace: "default", name: name)
            } catch let error as KubeAPIError where error.isNotFound {
                return nil
            }
        }

        func create(_ manifest: String) async throws {
            guard case .object(let value)? = Documents.read(Array(manifest.utf8), file: "manifest").first else {
                throw ShimProcess.Failure(description: "the manifest cannot be read")
            }
            var pod = try Pod(value)
            pod.spec.nodeName = "node"
            _ = try await client.create(pod, as: .pods, namespace: "default")
        }

        func delete(_ name: String, grace: Int64? = nil) async throws {
            try await client.delete(.pods, namespace: "default", name: name, grace: grace)
            try await eventually("\(name) is gone", within: .seconds(120)) { try await pod(name) == nil }
        }

        /// Runs a command as the kubelet's `/run` does: its words are what blanks part.
        func run(_ command: String, in container: String, of pod: String) async throws -> (status: Int, body: String) {
            try await node.kubelet(
                "/run/default/\(pod)/\(container)?cmd=" + command.replacing(" ", with: "%20"), method: "POST",
                limit: 120)
        }

        func waitUntilReady(_ name: String, _ look: (PodStatus) -> Void = { _ in }) async throws -> PodStatus {
            var status = PodStatus()
            try await eventually("\(name) is ready", within: .seconds(240)) {
                status = try #require(try await pod(name)).status
                look(status)
                if let ended = status.containerStatuses.first(where: { $0.state.terminated != nil }) {
                    throw ShimProcess.Failure(description: "\(ended.name) has ended: \(ended.state)")
                }
                return status.condition(.ready)?.status == "True"
            }
            return status
        }
    }

    private func bench(_ clusters: TestClusters, _ body: (Bench) async throws -> Void) async throws {
        try await clusters.with { cluster async throws in
            try await MachineHost.with(docker: true) { shim async throws in
                let kubeconfig = shim.directory + "/kubeconfig"
                try Data(cluster.kubeconfig(as: .node("node")).utf8).write(to: URL(filePath: kubeconfig))
                let node = try NodeProcess(shim, kubeconfig: kubeconfig)
                try await node.startAdapter()
                do {
                    try await cluster.client { try await body(Bench(client: $0, node: node)) }
                } catch {
                    await node.stopAdapter()
                    throw error
                }
                await node.stopAdapter()
            }
        }
    }

    /// - Parameter hook: a shell script for the machine's postStart.
    private static func manifest(_ name: String, hook: String, beside: String? = nil) -> String {
        func container(_ name: String, _ image: String, _ hook: String) -> String {
            """

                - name: \(name)
                  image: \(image)
                  imagePullPolicy: Never
                  command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]
                  env: [{name: PROOF, value: /tmp/\(name)-proof}]
                  lifecycle: {postStart: {exec: {command: ["sh", "-c", "\(hook)"]}}}
            """
        }
        return """
            apiVersion: v1
            kind: Pod
            metadata: {name: \(name), namespace: default}
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: 15
              containers:\(container("machine", MachineHost.image, hook))\
            \(beside.map { container("beside", DockerEngine.image, $0) } ?? "")
            """
    }

    @Test(
        "a machine is not ready before its postStart hook is done; then it and its neighbour take commands and are measured",
        arguments: TestClusters.available)
    func gate(_ clusters: TestClusters) async throws {
        try await bench(clusters) { bench in
            try await bench.create(
                Self.manifest(
                    "gated",
                    hook: "sleep 5; echo machine postStart executed > $PROOF; echo 'sleep 8; echo DONE' > /tmp/long",
                    beside:
                        "echo container postStart executed > $PROOF; echo 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done' > /tmp/busy"
                ))
            var heldBack = false
            let status = try await bench.waitUntilReady("gated") { status in
                let machine = status.containerStatuses.first { $0.name == "machine" }
                guard machine?.state.running != nil, machine?.ready == false, machine?.started != true else { return }
                #expect(status.phase != .failed && status.condition(.ready)?.status != "True")
                heldBack = true
            }
            #expect(heldBack, "the machine was seen running, and neither started nor ready")
            #expect(status.containerStatuses.allSatisfy { $0.ready && $0.started == true && $0.restartCount == 0 })
            let startedAt = try #require(
                status.containerStatuses.first { $0.name == "machine" }?.state.running?.startedAt)
            let readyAt = try #require(status.condition(.ready)?.lastTransitionTime)
            #expect(readyAt.nanosecondsSince1970 - startedAt.nanosecondsSince1970 >= 4_000_000_000)

            for (name, who) in [("machine", "machine"), ("beside", "container")] {
                let proof = try await bench.run("cat /tmp/\(name)-proof", in: name, of: "gated")
                #expect(proof.status == 200 && proof.body == "\(who) postStart executed\n", "\(proof)")
            }
            let long = try await bench.run("sh /tmp/long", in: "machine", of: "gated")
            #expect(long.status == 200 && long.body == "DONE\n", "\(long)")

            var before: [String: Int] = [:]
            for round in 1...2 {
                try await eventually("both are measured, and have used the processor", within: .seconds(60)) {
                    let summary = try await bench.node.kubelet("/stats/summary")
                    let stats = try JSONDecoder().decode(Summary.self, from: Data(summary.body.utf8))
                    #expect(stats.node.nodeName == "node")
                    let containers = stats.pods.first { $0.podRef.name == "gated" }?.containers ?? []
                    guard containers.count == 2, containers.allSatisfy({ $0.isMeasured }) else { return false }
                    let used = Dictionary(
                        uniqueKeysWithValues: containers.map { ($0.name, $0.cpu?.usageCoreNanoSeconds ?? 0) })
                    // It never goes back, and the second look is later than the first.
                    guard before.allSatisfy({ used[$0.key] ?? 0 >= $0.value }), used != before else { return false }
                    before = used
                    return true
                }
                if round == 1 {
                    #expect(try await bench.run("sh /tmp/busy", in: "beside", of: "gated").status == 200)
                }
            }
            try await bench.delete("gated")
        }
    }

    private struct Summary: Decodable {
        struct Node: Decodable { let nodeName: String }
        struct PodReference: Decodable { let name: String }
        struct CPU: Decodable { let usageCoreNanoSeconds: Int? }
        struct Memory: Decodable { let workingSetBytes: Int? }
        struct Container: Decodable {
            let name: String
            let startTime: String?
            let cpu: CPU?
            let memory: Memory?

            var isMeasured: Bool {
                startTime != nil && cpu?.usageCoreNanoSeconds ?? 0 > 0 && memory?.workingSetBytes ?? 0 > 0
            }
        }
        struct PodStats: Decodable {
            let podRef: PodReference
            let containers: [Container]?
        }
        let node: Node
        let pods: [PodStats]
    }

    @Test(
        "a postStart hook that fails in a machine fails its pod, and the event names the container",
        arguments: TestClusters.available)
    func failingHook(_ clusters: TestClusters) async throws {
        try await bench(clusters) { bench in
            try await bench.create(Self.manifest("hooked", hook: "exit 1"))
            try await eventually("the pod has failed", within: .seconds(240)) {
                try await bench.pod("hooked")?.status.phase == .failed
            }
            try await eventually("the event is there") {
                try await bench.client.list(.events, namespace: "default").items.contains {
                    $0.reason == "FailedPostStartHook" && $0.involvedObject.name == "hooked"
                        && $0.involvedObject.fieldPath == "spec.containers{machine}"
                }
            }
            try await bench.delete("hooked")
        }
    }

    @Test("a pod goes while a command runs in its machine, and the command is told", arguments: TestClusters.available)
    func deletedDuringExec(_ clusters: TestClusters) async throws {
        try await bench(clusters) { bench in
            try await bench.create(Self.manifest("busy", hook: "echo 'touch /tmp/runs; sleep 600' > /tmp/long"))
            _ = try await bench.waitUntilReady("busy")
            let command = Task { try await bench.run("sh /tmp/long", in: "machine", of: "busy") }
            try await eventually("the command runs", within: .seconds(60)) {
                try await bench.run("ls /tmp/runs", in: "machine", of: "busy").status == 200
            }
            try await bench.delete("busy", grace: 1)
            // Long before its ten minutes: with an error's status, or cut off.
            do {
                let outcome = try await command.value
                #expect(outcome.status != 200, "\(outcome)")
            } catch let cut as ShimProcess.Failure {
                #expect(!cut.description.contains("timed out"))
            }
        }
    }
}
