import APIServer
import Foundation
import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// Volumes and environment of pods of a cluster, with no more rights than a node has.
@Suite(.timeLimit(.minutes(2))) struct ClusterVolumesTests {
    private func cluster(_ body: (APIServerDouble, VKAdapterTests.Node) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            put(server, "serviceaccounts", "kind: ServiceAccount\nmetadata: {name: default, namespace: default}")
            put(
                server, "services",
                """
                kind: Service
                metadata: {name: kubernetes, namespace: default}
                spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, protocol: TCP}]}
                """)
            try await VKAdapterTests.Node.with { node in try await body(server, node) }
        }
    }

    /// Writes an object; `apiVersion` is added.
    private func put(_ server: APIServerDouble, _ plural: String, _ yaml: String) {
        guard case .object(let value)? = Documents.read(Array("apiVersion: v1\n\(yaml)\n".utf8), file: "x").first else {
            Issue.record("cannot read \(yaml)")
            return
        }
        server.put(value, as: plural)
    }

    private func config(_ server: APIServerDouble, name: String = "settings", _ data: String) {
        put(server, "configmaps", "kind: ConfigMap\nmetadata: {name: \(name), namespace: default}\ndata: {\(data)}")
    }

    @discardableResult
    private func create(_ name: String, _ server: APIServerDouble, volumes: String, more: String = "") async throws
        -> Pod
    {
        let pod = Sample.pod(
            yaml: """
                apiVersion: v1
                kind: Pod
                metadata: {name: \(name), labels: {app: shop}}
                spec:
                  nodeName: n
                  serviceAccountName: default
                  volumes: [\(volumes)]
                  containers:
                  - name: \(name)
                    image: "busybox:1"
                    volumeMounts: [{name: v, mountPath: /v}]
                    \(more)

                """)
        return try await server.client { client async throws in
            try await client.create(pod, as: .pods, namespace: "default")
        }
    }

    private func uid(_ name: String, _ server: APIServerDouble) throws -> String {
        try server.object("pods", namespace: "default", name: name).map { try Pod($0).metadata.uid } ?? ""
    }

    private func isReady(_ name: String, _ server: APIServerDouble) throws -> Bool {
        guard let value = server.object("pods", namespace: "default", name: name) else { return false }
        return try Pod(value).status.condition(.ready)?.status == "True"
    }

    /// What a file of the volume mounted at `/v` says.
    private func text(_ path: String, in name: String, _ node: VKAdapterTests.Node) -> String? {
        let mount = node.runtime.running(name)?.config.mounts.first { $0.containerPath == "/v" }
        return mount.flatMap { try? String(contentsOfFile: "\($0.hostPath)/\(path)", encoding: .utf8) }
    }

    private func watches(_ server: APIServerDouble, _ plural: String) -> [String] {
        server.asked.filter { $0.target.contains("/\(plural)?") && $0.target.contains("watch=true") }.map(\.target)
    }

    @Test func `objects become files, and change with them while the pod runs, also after a restart`() async throws {
        try await cluster { server, node in
            config(server, "a: one, gone: x")
            let volume = """
                {name: v, projected: {sources: [{configMap: {name: settings}}, {downwardAPI: {items:
                [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}}
                """.replacing("\n", with: " ")
            try await node.running(in: server) { _ in
                try await create("web", server, volumes: volume)
                try await eventually("ready") { try isReady("web", server) }
                #expect(text("a", in: "web", node) == "one" && text("labels", in: "web", node) == #"app="shop""#)
                let mount = node.runtime.running("web")?.config.mounts.first { $0.containerPath == "/v" }
                #expect(mount?.readonly == true)
                config(server, "a: two")
                try await eventually("the change is there") {
                    text("a", in: "web", node) == "two" && text("gone", in: "web", node) == nil
                }
                try await server.client { client async throws in
                    let labels = Value(.object([Member("app", Value(.string("bar")))]))
                    let patch = Value(.object([Member("metadata", Value(.object([Member("labels", labels)])))]))
                    _ = try await client.patch(.pods, namespace: "default", name: "web", kind: .merge, patch) as Pod
                }
                try await eventually("the label is there") { text("labels", in: "web", node) == #"app="bar""# }
            }
            config(server, "a: three")
            try await node.running(in: server) { _ in
                try await eventually("what changed meanwhile is there") { text("a", in: "web", node) == "three" }
                config(server, "a: four")
                try await eventually("and what changes now") { text("a", in: "web", node) == "four" }
            }
            #expect(node.runtime.runs("web").count == 1)
        }
    }

    @Test func `pods share what they follow, and nobody follows it after the last of them`() async throws {
        try await cluster { server, node in
            config(server, "a: one")
            try await node.running(in: server) { _ in
                for name in ["x", "y", "z"] {
                    try await create(name, server, volumes: "{name: v, configMap: {name: settings}}")
                }
                try await eventually("ready") { try ["x", "y", "z"].allSatisfy { try isReady($0, server) } }
                try await eventually("followed") { !watches(server, "configmaps").isEmpty }
                #expect(Set(watches(server, "configmaps")).count == 1)
                #expect(
                    server.asked.filter { $0.target.contains("/configmaps?") && !$0.target.contains("watch") }.count
                        == 1)
                try await server.client { client async throws in
                    for name in ["x", "y", "z"] {
                        try await client.delete(.pods, namespace: "default", name: name, grace: 1)
                    }
                }
                try await eventually("gone") {
                    ["x", "y", "z"].allSatisfy { server.object("pods", namespace: "default", name: $0) == nil }
                }
                try await eventually("let go") {
                    node.runtime.edit { $0.sandboxes.isEmpty }
                }
                let before = watches(server, "configmaps").count
                server.endWatches()
                try await eventually("others watch on") { watches(server, "pods").count > 1 }
                #expect(watches(server, "configmaps").count == before)
            }
        }
    }

    @Test func `a pod waits for what is missing and goes on as soon as it is there`() async throws {
        try await cluster { server, node in
            var configuration = node.configuration
            configuration.podManifestPath = nil
            configuration.cluster = server.connection(as: .node("n"))
            // Nothing is tried again by itself within the test.
            configuration.retryInterval = .seconds(600)
            configuration.mountRetryInterval = .seconds(120)
            try await node.runtime.serve(node.socket) { endpoint in
                try await node.adapter(endpoint, configuration: configuration) { _ in
                    try await create("web", server, volumes: "{name: v, configMap: {name: settings}}")
                    try await create(
                        "env", server, volumes: "{name: v, emptyDir: {}}",
                        more: "env: [{name: K, valueFrom: {configMapKeyRef: {name: other, key: k}}}]")
                    func waiting(_ name: String) throws -> ContainerState.Waiting? {
                        guard let value = server.object("pods", namespace: "default", name: name) else { return nil }
                        return try Pod(value).status.containerStatuses.first?.state.waiting
                    }
                    try await eventually("both say what is missing") {
                        try waiting("web")?.message
                            == #"MountVolume.SetUp failed for volume "v" : configmap "settings" not found"#
                            && waiting("env")?.message == #"configmap "other" not found"#
                    }
                    #expect(try waiting("web")?.reason == "ContainerCreating")
                    #expect(try waiting("env")?.reason == "CreateContainerConfigError")
                    func events(_ name: String, _ reason: String) throws -> [Event] {
                        try server.events().filter { $0.involvedObject.name == name && $0.reason == reason }
                    }
                    try await eventually("and events do") {
                        try events("web", "FailedMount").map(\.message)
                            == [#"MountVolume.SetUp failed for volume "v" : configmap "settings" not found"#]
                            && events("env", "Failed").map(\.message) == [#"Error: configmap "other" not found"#]
                    }
                    // A sandbox is made for the one whose volumes are there.
                    #expect(node.runtime.calls["RunPodSandbox"] == 1)
                    // Nobody has said which the cluster's name servers are, and both would like to know.
                    #expect(
                        try events("env", "MissingClusterDNS").map(\.message)
                            == [
                                #"pod: "env_default(\#(uid("env", server)))". kubelet does not have ClusterDNS IP "#
                                    + #"configured and cannot create Pod using "ClusterFirst" policy. Falling back to "#
                                    + #""Default" policy."#
                            ])
                    #expect(try events("n", "MissingClusterDNS").count == 1)
                    #expect(try events("web", "MissingClusterDNS").isEmpty)
                    config(server, "a: one")
                    try await eventually("it is there") { try isReady("web", server) }
                    config(server, name: "other", "j: x")
                    try await eventually("the key is missing") {
                        try waiting("env")?.message == "couldn't find key k in ConfigMap default/other"
                    }
                    config(server, name: "other", "k: x")
                    try await eventually("the key is there") { try isReady("env", server) }
                }
            }
            #expect(node.runtime.running("env")?.config.envs.first { $0.key == "K" }?.value == Array("x".utf8))
        }
    }

    @Test func `a token is bound to its pod and renewed, and services are in the environment`() async throws {
        try await cluster { server, node in
            server.limitTokens(toSeconds: 3)
            let volume = "{name: v, projected: {sources: [{serviceAccountToken: {path: token, audience: vault}}]}}"
            try await node.running(in: server) { _ in
                try await create("web", server, volumes: volume)
                try await eventually("ready") { try isReady("web", server) }
                let first = try #require(text("token", in: "web", node))
                #expect(first.hasPrefix("token-") && first.hasSuffix(".default.web.vault"))
                try await eventually("it is another one") { text("token", in: "web", node) != first }
                let run = try #require(node.runtime.running("web"))
                #expect(run.config.envs.first { $0.key == "KUBERNETES_SERVICE_HOST" }?.value == Array("10.96.0.1".utf8))
                #expect(node.runtime.runs("web").count == 1)
                try await server.client { client async throws in
                    try await client.delete(.pods, namespace: "default", name: "web", grace: 1)
                }
                try await eventually("gone") { server.object("pods", namespace: "default", name: "web") == nil }
            }
            #expect(node.logged("cannot renew a token").isEmpty)
        }
    }

    @Test func `a claim is the path its volume is bound to`() async throws {
        try await cluster { server, node in
            let path = node.directory + "/disk"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            put(
                server, "persistentvolumes",
                """
                kind: PersistentVolume
                metadata: {name: disk}
                spec: {local: {path: "\(path)"}, claimRef: {namespace: default, name: mine, uid: c-1}}
                """)
            func claim(_ phase: String) {
                put(
                    server, "persistentvolumeclaims",
                    """
                    kind: PersistentVolumeClaim
                    metadata: {name: mine, namespace: default, uid: c-1}
                    spec: {volumeName: disk}
                    status: {phase: \(phase)}
                    """)
            }
            claim("Pending")
            try await node.running(in: server) { _ in
                try await create(
                    "web", server, volumes: "{name: v, persistentVolumeClaim: {claimName: mine, readOnly: true}}")
                try await eventually("it says what it waits for") {
                    let value = server.object("pods", namespace: "default", name: "web")
                    let message = try value.map { try Pod($0) }?.status.containerStatuses.first?.state.waiting?.message
                    return message?.contains("is not bound to a volume yet") == true
                }
                claim("Bound")
                try await eventually("ready") { try isReady("web", server) }
                let mount = node.runtime.running("web")?.config.mounts.first { $0.containerPath == "/v" }
                #expect(mount?.hostPath == path && mount?.readonly == true)
            }
        }
    }

    @Test func `a pod whose empty directory grows over its limit is evicted`() async throws {
        try await cluster { server, node in
            var configuration = node.configuration
            configuration.podManifestPath = nil
            configuration.cluster = server.connection(as: .node("n"))
            configuration.usageInterval = .milliseconds(50)
            try await node.runtime.serve(node.socket) { endpoint in
                try await node.adapter(endpoint, configuration: configuration) { _ in
                    try await create("web", server, volumes: "{name: v, emptyDir: {sizeLimit: 64Ki}}")
                    try await eventually("ready") { try isReady("web", server) }
                    let mount = node.runtime.running("web")?.config.mounts.first { $0.containerPath == "/v" }
                    let path = try #require(mount?.hostPath)
                    try Data(count: 256 << 10).write(to: URL(filePath: path + "/large"))
                    try await eventually("evicted") {
                        let value = server.object("pods", namespace: "default", name: "web")
                        return try value.map { try Pod($0) }?.status.reason == "Evicted"
                    }
                    let status = try #require(
                        try server.object("pods", namespace: "default", name: "web").map { try Pod($0).status })
                    #expect(status.phase == .failed)
                    #expect(status.message == "Usage of EmptyDir volume \"v\" exceeds the limit \"64Ki\". ")
                    try await eventually("it ends") { node.runtime.running("web") == nil }
                }
            }
        }
    }

    @Test func `what the cluster trusts is a file, of one bundle or of all of a signer`() async throws {
        func pem(_ body: String) -> String { "-----BEGIN CERTIFICATE-----\n\(body)\n-----END CERTIFICATE-----\n" }
        try await cluster { server, node in
            for (name, signer, body) in [
                ("one", "", "AAAA"), ("x:b", "x", "BBBB"), ("x:c", "x", "CCCC"), ("y:d", "y", "DDDD"),
            ] {
                put(
                    server, "clustertrustbundles",
                    "kind: ClusterTrustBundle\nmetadata: {name: \"\(name)\", labels: {live: \"yes\"}}\n"
                        + "spec: {signerName: \"\(signer)\", trustBundle: \"\(pem(body).replacing("\n", with: "\\n"))\"}"
                )
            }
            let sources = """
                {clusterTrustBundle: {name: one, path: one}}, {clusterTrustBundle: {signerName: x, path: all,
                labelSelector: {matchExpressions: [{key: live, operator: Exists}]}}},
                {clusterTrustBundle: {name: none, optional: true, path: none}}
                """.replacing("\n", with: " ")
            try await node.running(in: server) { _ in
                try await create("web", server, volumes: "{name: v, projected: {sources: [\(sources)]}}")
                try await eventually("ready") { try isReady("web", server) }
                #expect(text("one", in: "web", node) == pem("AAAA"))
                #expect(text("all", in: "web", node) == pem("BBBB") + pem("CCCC"))
                #expect(text("none", in: "web", node) == "")
            }
        }
    }

    @Test func `a server that learns of a pod's rights a moment later is asked again soon`() async throws {
        try await cluster { server, node in
            config(server, "a: one")
            server.fault { [server] asked in
                let isAbout = { (target: String) in target.contains("/configmaps?") || target.hasSuffix("/token") }
                guard isAbout(asked.target) else { return nil }
                let isEarly = server.asked.filter { $0.target == asked.target }.count < 3
                return isEarly ? .refuse(Refusal(403, "Forbidden", "no relationship found")) : nil
            }
            var configuration = node.configuration
            configuration.podManifestPath = nil
            configuration.cluster = server.connection(as: .node("n"))
            configuration.retryInterval = .seconds(600)
            try await node.runtime.serve(node.socket) { endpoint in
                try await node.adapter(endpoint, configuration: configuration) { _ in
                    try await create(
                        "web", server,
                        volumes: "{name: v, projected: {sources: [{configMap: {name: settings}}, "
                            + "{serviceAccountToken: {path: token}}]}}")
                    try await eventually("ready") { try isReady("web", server) }
                    #expect(text("a", in: "web", node) == "one")
                }
            }
        }
    }
}
