import Foundation
import Support
import Testing

/// Probes and hooks of containers of a real engine, by both ways to their ports.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ProbeNodeTests {
    private static func manifest(_ name: String, files: String) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name)}
        spec:
          terminationGracePeriodSeconds: 10
          initContainers:
            - name: side
              image: \(DockerEngine.image)
              imagePullPolicy: Never
              restartPolicy: Always
              command: [sh, -c, "sleep 1; touch /tmp/up; exec sleep 1000"]
              startupProbe: {exec: {command: [test, -f, /tmp/up]}, periodSeconds: 1, failureThreshold: 60}
          volumes: [{name: www, hostPath: {path: \(files)}}]
          containers:
            - name: main
              image: \(DockerEngine.image)
              imagePullPolicy: Never
              command: [sh, -c, "exec httpd -f -p 8080 -h /www"]
              volumeMounts: [{name: www, mountPath: /www}]
              ports: [{name: http, containerPort: 8080}]
              lifecycle:
                postStart: {exec: {command: [sh, -c, "echo hooked > /www/hooked"]}}
                preStop: {exec: {command: [sh, -c, "echo stopping > /proc/1/fd/1; sleep 1"]}}
              readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
              livenessProbe: {httpGet: {path: /alive, port: 8080}, periodSeconds: 1, failureThreshold: 2}
              startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, failureThreshold: 60}
        """
    }

    private struct Pods: Decodable {
        struct Pod: Decodable {
            struct Metadata: Decodable { let name: String }
            struct Status: Decodable {
                struct Condition: Decodable {
                    let type: String
                    let status: String
                }
                struct Container: Decodable {
                    let ready: Bool
                    let started: Bool?
                    let restartCount: Int
                }
                let conditions: [Condition]
                let containerStatuses: [Container]
                let initContainerStatuses: [Container]?
            }
            let metadata: Metadata
            let status: Status
        }
        let items: [Pod]
    }

    private static func status(_ name: String, _ node: NodeProcess) async throws -> Pods.Pod.Status? {
        try JSONDecoder().decode(Pods.self, from: Data(try await node.kubelet("/pods").body.utf8)).items
            .first { $0.metadata.name == name }?.status
    }

    private static func isReady(_ name: String, _ node: NodeProcess) async throws -> Bool {
        try await status(name, node)?.conditions.contains { $0.type == "Ready" && $0.status == "True" } == true
    }

    @Test(
        "a pod is ready when its hooks and probes have had their say, and a container that is not alive is started again",
        arguments: ["direct", "forward"])
    func probes(way: String) async throws {
        try await ShimProcess.with { shim async throws in
            let node = try NodeProcess(
                shim, runtime: ["--cri", "unix://\(shim.socket)", "--pod-dialing", way])
            try await node.startAdapter()
            do {
                let files = shim.directory + "/www"
                func set(_ name: String, _ isThere: Bool) throws {
                    if isThere {
                        try Data().write(to: URL(filePath: "\(files)/\(name)"))
                    } else {
                        try FileManager.default.removeItem(atPath: "\(files)/\(name)")
                    }
                }
                try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
                try set("ready", true)
                try set("alive", true)
                try node.write("web.yaml", Self.manifest("web", files: files))
                try await eventually("ready", within: .seconds(90)) { try await Self.isReady("web-node", node) }
                let status = try #require(try await Self.status("web-node", node))
                #expect(status.containerStatuses.allSatisfy { $0.ready && $0.started == true && $0.restartCount == 0 })
                #expect(status.initContainerStatuses?.first?.started == true)
                #expect(FileManager.default.fileExists(atPath: "\(files)/hooked"))
                try set("ready", false)
                try await eventually("not ready", within: .seconds(60)) {
                    try await !Self.isReady("web-node", node)
                }
                try set("ready", true)
                try set("alive", false)
                try await eventually("started again", within: .seconds(90)) {
                    try await Self.status("web-node", node)?.containerStatuses.first?.restartCount ?? 0 >= 1
                }
                try set("alive", true)
                try await eventually("ready again", within: .seconds(90)) { try await Self.isReady("web-node", node) }
                let log = try await node.kubelet("/containerLogs/default/web-node/main?previous=true").body
                #expect(log.contains("stopping"))
            } catch {
                await node.stopAdapter()
                throw error
            }
            await node.stopAdapter()
        }
    }
}
