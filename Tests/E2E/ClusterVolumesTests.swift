import APIServer
import Foundation
import KubeAPI
import Support
import Testing

/// What a pod of a cluster is made of, as its processes see it on a real engine. The API server is the tests' double.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ClusterVolumesTests {
    private static func object(_ yaml: String) throws -> Value {
        guard case .object(let value)? = Documents.read(Array("apiVersion: v1\n\(yaml)\n".utf8), file: "x").first else {
            throw ShimProcess.Failure(description: "cannot read \(yaml)")
        }
        return value
    }

    private static func config(_ text: String) throws -> Value {
        try object("kind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {a: \(text)}")
    }

    private static func pod() throws -> Pod {
        let script = """
            id -u; stat -L -c '%a %g' /v/hidden/p; cat /v/a /v/hidden/p; echo; cat /v/token; echo; cat /v/labels; echo
            echo "$KUBERNETES_SERVICE_HOST $GREETING"; (echo x > /v/new) 2>/dev/null || echo read-only
            stat -c %g /e; echo x > /e/f && echo writable; cat /one; echo
            while true; do cat /v/a; echo; sleep 0.2; done
            """
        let manifest = NodeProcess.manifest("web", script: "true", restartPolicy: "Never")
        guard case .object(let value)? = Documents.read(Array(manifest.utf8), file: "web").first else {
            throw ShimProcess.Failure(description: "the manifest cannot be read")
        }
        var pod = try Pod(value)
        pod.metadata.namespace = "default"
        pod.metadata.labels = ["app": "shop"]
        pod.spec.containers[0].command = ["sh", "-c", script]
        pod.spec.nodeName = "node"
        pod.spec.serviceAccountName = "default"
        pod.spec.securityContext = try PodSecurityContext(try object("fsGroup: 2000\nrunAsUser: 1000").withoutVersion)
        pod.spec.volumes = [
            try Volume(
                try object(
                    """
                    name: v
                    projected:
                      sources:
                      - configMap: {name: settings}
                      - secret: {name: hidden, items: [{key: p, path: hidden/p, mode: 256}]}
                      - serviceAccountToken: {path: token}
                      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
                    """
                ).withoutVersion),
            try Volume(try object("name: e\nemptyDir: {medium: Memory, sizeLimit: 1Mi}").withoutVersion),
        ]
        for (name, path, subPath) in [("v", "/v", ""), ("e", "/e", ""), ("v", "/one", "a")] {
            pod.spec.containers[0].volumeMounts.append(
                VolumeMount {
                    $0.name = name
                    $0.mountPath = path
                    $0.subPath = subPath
                })
        }
        pod.spec.containers[0].env.append(EnvVar(name: "GREETING", value: "at $(KUBERNETES_SERVICE_PORT)"))
        return pod
    }

    @Test func `processes read objects, tokens and fields of their pod, and see them change`() async throws {
        try await APIServerDouble.with { server in
            server.put(
                try Self.object("kind: ServiceAccount\nmetadata: {name: default, namespace: default}"),
                as: "serviceaccounts")
            server.put(
                try Self.object(
                    "kind: Service\nmetadata: {name: kubernetes, namespace: default}\n"
                        + "spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443}]}"), as: "services")
            server.put(
                try Self.object("kind: Secret\nmetadata: {name: hidden, namespace: default}\ndata: {p: c2VjcmV0}"),
                as: "secrets")
            server.put(try Self.config("one"), as: "configmaps")
            try await ShimProcess.with { shim async throws in
                let kubeconfig = shim.directory + "/kubeconfig"
                try Data(server.kubeconfig(as: .node("node")).utf8).write(to: URL(filePath: kubeconfig))
                let node = try NodeProcess(shim, kubeconfig: kubeconfig)
                try await node.startAdapter()
                do {
                    try await run(server, node)
                } catch {
                    await node.stopAdapter()
                    throw error
                }
                await node.stopAdapter()
            }
        }
    }

    private func run(_ server: APIServerDouble, _ node: NodeProcess) async throws {
        try await server.client { client async throws in
            _ = try await client.create(try Self.pod(), as: .pods, namespace: "default")
            func log() async throws -> [String] {
                try await node.kubelet("/containerLogs/default/web/main").body.split(separator: "\n").map(String.init)
            }
            try await eventually("it has said everything", within: .seconds(60)) { try await log().count > 11 }
            let lines = try await log()
            #expect(
                Array(lines.prefix(3)) == ["1000", "440 2000", "onesecret"]
                    && lines[3].hasPrefix("token-") && lines[3].contains(".default.web."))
            #expect(
                Array(lines[4..<10])
                    == [#"app="shop""#, "10.96.0.1 at 443", "read-only", "2000", "writable", "one"])
            server.put(try Self.config("two"), as: "configmaps")
            try await eventually("the change is seen", within: .seconds(30)) { try await log().last == "two" }
            try await client.delete(.pods, namespace: "default", name: "web", grace: 1)
            try await eventually("gone", within: .seconds(60)) {
                server.object("pods", namespace: "default", name: "web") == nil
            }
        }
    }
}

extension Value {
    /// Only objects have a version.
    fileprivate var withoutVersion: Value {
        guard case .object(let members) = kind else { return self }
        return Value(.object(members.filter { $0.name != "apiVersion" }))
    }
}
