import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct EnvironmentTests {
    func environment(_ yaml: String, context: MappingContext = Sample.context) throws -> Environment {
        let pod = Sample.pod(
            yaml: """
                apiVersion: v1
                kind: Pod
                metadata:
                  name: web
                  labels: {app: shop, "example.org/tier": front}
                  annotations: {note: hello}
                spec:
                  serviceAccountName: robot
                  containers:
                  - name: c
                    image: busybox:1
                    resources: {limits: {cpu: 1500m, memory: 64Mi}, requests: {cpu: 250m}}
                    \(yaml)

                """)
        let container = try #require(pod.spec.containers.first)
        return try Environment(pod, container, podIPs: ["10.0.0.9", "fd00::9"], context)
    }

    @Test(
        "references are expanded as the kubelet does",
        arguments: [
            ("$(A)", "one"), ("x$(A)y$(B)z", "xoneytwo onez"), ("$(UNKNOWN)", "$(UNKNOWN)"), ("$$(A)", "$(A)"),
            ("$$$(A)", "$one"), ("$A", "$A"), ("$(A", "$(A"), ("$", "$"), ("a$", "a$"), ("$$", "$"), ("$()", "$()"),
            ("ü$(A)ü", "üoneü"), ("$($(A))", "$($(A))"), ("", ""),
        ])
    func expansion(text: String, expected: String) throws {
        let environment = try environment(#"env: [{name: A, value: one}, {name: B, value: "two $(A)"}]"#)
        #expect(environment.expand(text) == expected)
    }

    @Test("a variable sees those before it, not those after it, and the last of a name counts")
    func order() throws {
        let environment = try environment(
            #"env: [{name: A, value: $(B)}, {name: B, value: "1"}, {name: C, value: $(B)}, {name: B, value: "2"}]"#)
        #expect(environment.variables.map(\.text) == ["$(B)", "1", "1", "2"])
        #expect(environment.expand("$(B)") == "2")
    }

    @Test(
        "fields of the pod",
        arguments: [
            ("metadata.name", "web"), ("metadata.namespace", "default"), ("metadata.uid", "1234-uid"),
            ("metadata.labels['app']", "shop"), ("metadata.labels['example.org/tier']", "front"),
            ("metadata.labels['none']", ""), ("metadata.annotations['note']", "hello"), ("spec.nodeName", "node-1"),
            ("spec.serviceAccountName", "robot"), ("status.hostIP", "192.0.2.1"),
            ("status.hostIPs", "192.0.2.1,2001:db8::1"), ("status.podIP", "10.0.0.9"),
            ("status.podIPs", "10.0.0.9,fd00::9"),
        ])
    func fields(path: String, expected: String) throws {
        let environment = try environment("env: [{name: F, valueFrom: {fieldRef: {fieldPath: \"\(path)\"}}}]")
        #expect(environment.variables.map(\.text) == [expected])
    }

    @Test(
        "resources of a container, rounded up in units of the divisor",
        arguments: [
            ("resource: limits.cpu", "2"), ("resource: limits.cpu, divisor: 1m", "1500"),
            ("resource: requests.cpu", "1"), ("resource: requests.cpu, divisor: 100m", "3"),
            ("resource: limits.memory", "67108864"), ("resource: limits.memory, divisor: 1Mi", "64"),
            ("resource: limits.memory, divisor: 1Gi", "1"), ("resource: requests.ephemeral-storage", "0"),
            ("containerName: c, resource: limits.cpu", "2"), (#"resource: limits.cpu, divisor: "0""#, "2"),
        ])
    func resources(reference: String, expected: String) throws {
        let environment = try environment("env: [{name: R, valueFrom: {resourceFieldRef: {\(reference)}}}]")
        #expect(environment.variables.map(\.text) == [expected])
    }

    @Test("a limit nobody set is what the node offers")
    func allocatable() throws {
        let pod = Sample.pod()
        let selector = ResourceFieldSelector { $0.resource = "limits.memory" }
        #expect(Environment.resource(selector, pod, pod.spec.containers[0], Sample.context) == "8589934592")
    }

    @Test(
        "what cannot be resolved is an error that names container and variable",
        arguments: [
            "fieldRef: {fieldPath: spec.magic}", "fieldRef: {fieldPath: metadata.labels}",
            "resourceFieldRef: {resource: limits.magic}", "resourceFieldRef: {containerName: x, resource: limits.cpu}",
            "futureRef: {x: y}", "configMapKeyRef: {name: m, key: k}", "secretKeyRef: {name: m, key: k}",
        ])
    func errors(source: String) {
        let error = #expect(throws: AdapterError.self) {
            try environment("env: [{name: BAD, valueFrom: {\(source)}}]")
        }
        #expect(error?.message.contains("container c, variable BAD") == true)
    }

    @Test("optional references to what is not there are left out")
    func optional() throws {
        let environment = try environment(
            """
            env: [{name: A, valueFrom: {configMapKeyRef: {name: m, key: k, optional: true}}}, {name: B, value: b}]
                envFrom: [{secretRef: {name: s, optional: true}}]
            """)
        #expect(environment.variables.map(\.name) == ["B"])
        #expect(throws: AdapterError.self) { try self.environment("envFrom: [{configMapRef: {name: m}}]") }
    }

    @Test("ConfigMaps and Secrets are read where an API server has them")
    func objects() throws {
        var context = Sample.context
        context.objects = KeyedObjects(
            configMaps: ["m": ["k": Array("v".utf8), "a": Array("b".utf8)]], secrets: ["s": ["p": [0xFF, 0x01]]])
        let environment = try environment(
            """
            envFrom: [{prefix: P_, configMapRef: {name: m}}]
                env: [{name: K, valueFrom: {configMapKeyRef: {name: m, key: k}}},
                      {name: S, valueFrom: {secretKeyRef: {name: s, key: p}}}]
            """, context: context)
        #expect(environment.variables.map(\.name) == ["P_a", "P_k", "K", "S"])
        #expect(environment.variables.last?.value == [0xFF, 0x01])
        let error = #expect(throws: AdapterError.self) {
            try self.environment("env: [{name: K, valueFrom: {configMapKeyRef: {name: m, key: x}}}]", context: context)
        }
        #expect(error?.message == "couldn't find key x in ConfigMap default/m")
    }

    @Test("subPathExpr is expanded, and refused when it leaves the volume or names nobody")
    func subPaths() throws {
        func paths(_ expression: String) throws -> [String] {
            let pod = Sample.pod {
                $0.spec.volumes = [Volume { $0.name = "v" }]
                $0.spec.containers[0].env = [EnvVar(name: "A", value: "one"), EnvVar(name: "UP", value: "..")]
                $0.spec.containers[0].volumeMounts = [
                    VolumeMount {
                        $0.name = "v"
                        $0.subPathExpr = expression
                    },
                    VolumeMount {
                        $0.name = "v"
                        $0.subPath = "plain"
                    },
                ]
            }
            return try PodMapping.subPaths(pod, pod.spec.containers[0], podIPs: [], Sample.context)
        }
        #expect(try paths("logs/$(A)") == ["logs/one", "plain"])
        for bad in ["$(UNKNOWN)", "$(UP)/x", "/$(A)"] {
            #expect(throws: AdapterError.self) { try paths(bad) }
        }
    }
}
