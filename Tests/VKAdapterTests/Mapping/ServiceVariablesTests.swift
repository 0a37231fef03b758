import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct ServiceVariablesTests {
    private func service(_ name: String, _ namespace: String, _ ip: String, _ ports: [(String, Int32, String)])
        -> ClusterService
    {
        ClusterService {
            $0.metadata.name = name
            $0.metadata.namespace = namespace
            $0.spec.clusterIP = ip
            $0.spec.ports = ports.map { name, number, kind in
                ServicePort {
                    $0.name = name
                    $0.port = number
                    $0.protocol = kind
                }
            }
        }
    }

    private var cluster: ServiceVariables {
        ServiceVariables(services: [
            service("kubernetes", "default", "10.96.0.1", [("https", 443, "TCP")]),
            service("my-db", "shop", "fd00::1", [("", 5432, ""), ("admin-ui", 53, "UDP")]),
            service("other", "else", "10.96.0.3", [("", 80, "TCP")]),
            service("headless", "shop", "None", [("", 80, "TCP")]), service("pending", "shop", "", [("", 80, "TCP")]),
        ])
    }

    private func variables(_ cluster: ServiceVariables, links: Bool?, namespace: String = "shop") -> [String] {
        let pod = Sample.pod {
            $0.metadata.namespace = namespace
            $0.spec.enableServiceLinks = links
        }
        return cluster.variables(for: pod).map { "\($0.name)=\($0.value)" }
    }

    private let kubernetes = [
        "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443", "KUBERNETES_SERVICE_PORT_HTTPS=443",
        "KUBERNETES_PORT=tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO=tcp", "KUBERNETES_PORT_443_TCP_PORT=443",
        "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
    ]

    @Test func `the API server is told to everybody, services to pods of their namespace`() {
        #expect(variables(cluster, links: false) == kubernetes)
        #expect(variables(cluster, links: true, namespace: "third") == kubernetes)
        #expect(
            variables(cluster, links: nil) == kubernetes + [
                "MY_DB_SERVICE_HOST=fd00::1", "MY_DB_SERVICE_PORT=5432", "MY_DB_SERVICE_PORT_ADMIN_UI=53",
                "MY_DB_PORT=tcp://[fd00::1]:5432", "MY_DB_PORT_5432_TCP=tcp://[fd00::1]:5432",
                "MY_DB_PORT_5432_TCP_PROTO=tcp", "MY_DB_PORT_5432_TCP_PORT=5432", "MY_DB_PORT_5432_TCP_ADDR=fd00::1",
                "MY_DB_PORT_53_UDP=udp://[fd00::1]:53", "MY_DB_PORT_53_UDP_PROTO=udp", "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_ADDR=fd00::1",
            ])
    }

    @Test func `another address of the API server takes the place of its service's`() {
        var cluster = cluster
        cluster.master = .init(host: "mac.example.org", port: 6443)
        let moved = kubernetes.map {
            $0.replacing("10.96.0.1", with: "mac.example.org").replacing("443", with: "6443")
        }
        #expect(variables(cluster, links: false) == moved)
        #expect(variables(ServiceVariables(master: cluster.master), links: true) == moved)
    }

    @Test(
        "the service host is a host, with a port or without",
        arguments: [
            ("10.0.0.1", "10.0.0.1 6443"), ("api.example.org:8443", "api.example.org 8443"),
            ("fd00::1", "fd00::1 6443"),
            ("[fd00::1]:443", "fd00::1 443"), ("[fd00::1]", "fd00::1 6443"), ("host:", nil), ("host:0", nil),
            ("host:70000", nil), ("[fd00::1", nil), ("https://host", nil), ("a b", nil), (":443", nil),
        ] as [(String, String?)])
    func serviceHost(text: String, expected: String?) {
        #expect(ServiceVariables.Master(text, port: 6443).map { "\($0.host) \($0.port)" } == expected)
    }

    @Test func `a container's own variables win, and may name those of services`() throws {
        var context = Sample.context
        context.objects = KeyedObjects(
            configMaps: ["m": ["GOOD": Array("1".utf8), "bad=": [0x31], "ü": [0x31], "dots.and spaces": [0x31]]])
        context.objects?.services = [EnvVar(name: "DB_SERVICE_HOST", value: "10.0.0.1"), EnvVar(name: "X", value: "s")]
        let pod = Sample.pod(
            yaml: """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  containers:
                  - name: c
                    image: busybox:1
                    envFrom: [{configMapRef: {name: m}}]
                    env: [{name: URL, value: "http://$(DB_SERVICE_HOST)/"}, {name: X, value: own}]

                """)
        let environment = try Environment(pod, pod.spec.containers[0], podIPs: [], context)
        #expect(
            environment.variables.map { "\($0.name)=\($0.text)" }
                == ["GOOD=1", "dots.and spaces=1", "URL=http://10.0.0.1/", "X=own", "DB_SERVICE_HOST=10.0.0.1"])
        #expect(environment.skipped.map(\.object) == ["configMap default/m"])
        #expect(environment.skipped.first?.keys == ["bad=", "ü"])
    }
}
