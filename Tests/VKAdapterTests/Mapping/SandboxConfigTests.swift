import KubeAPI
import Proto
import Testing

@testable import VKAdapter

@Suite struct SandboxConfigTests {
    func config(_ context: MappingContext = Sample.context, _ configure: (inout Pod) -> Void = { _ in })
        -> CRI.PodSandboxConfig
    {
        PodMapping.sandboxConfig(Sample.pod(configure), attempt: 2, context)
    }

    @Test("names, labels and annotations are the kubelet's")
    func identity() {
        let config = config {
            $0.metadata.labels = ["app": "web", "io.kubernetes.pod.name": "liar"]
            $0.metadata.annotations = ["note": "yes"]
        }
        #expect(config.metadata?.name == "web" && config.metadata?.namespace == "default")
        #expect(config.metadata?.uid == "1234-uid" && config.metadata?.attempt == 2)
        #expect(
            config.labels == [
                "app": "web", "io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default",
                "io.kubernetes.pod.uid": "1234-uid", "example.dev/node": "node-1",
            ])
        #expect(config.annotations == ["note": "yes"])
        #expect(config.logDirectory == "/var/log/pods/default_web_1234-uid")
        let identity = KubeletIdentity(labels: config.labels)
        #expect(identity?.podUID == "1234-uid" && identity?.containerName == "")
        #expect(KubeletIdentity(labels: ["app": "web"]) == nil)
    }

    @Test(
        "the host name",
        arguments: [
            ("{}", "web"), (#"{"hostname":"other"}"#, "other"), (#"{"hostNetwork":true}"#, ""),
            (#"{"subdomain":"s"}"#, "web"), (#"{"subdomain":"s","setHostnameAsFQDN":true}"#, "web.s.default.svc"),
        ])
    func hostname(spec: String, expected: String) throws {
        let spec = try PodSpec(Documents.json(Array(spec.utf8)))
        #expect(config { $0.spec = spec }.hostname == expected)
    }

    @Test("a long pod name is cut to a host name")
    func longName() {
        let name = String(repeating: "a", count: 62) + "-b"
        #expect(config { $0.metadata.name = name }.hostname == String(repeating: "a", count: 62))
    }

    @Test(
        "namespaces",
        arguments: [
            ("{}", .pod, .container, .pod), (#"{"hostNetwork":true}"#, .node, .container, .pod),
            (#"{"hostPID":true}"#, .pod, .node, .pod), (#"{"hostIPC":true}"#, .pod, .container, .node),
            (#"{"shareProcessNamespace":true}"#, .pod, .pod, .pod),
        ] as [(String, CRI.NamespaceMode, CRI.NamespaceMode, CRI.NamespaceMode)])
    func namespaces(spec: String, network: CRI.NamespaceMode, pid: CRI.NamespaceMode, ipc: CRI.NamespaceMode) throws {
        let spec = try PodSpec(Documents.json(Array(spec.utf8)))
        let options = config { $0.spec = spec }.linux?.securityContext?.namespaceOptions
        #expect(options?.network == network && options?.pid == pid && options?.ipc == ipc)
    }

    @Test("ports of containers and side-cars, sysctls, groups and privilege")
    func linux() {
        let config = config {
            $0.spec.containers[0].ports = [
                ContainerPort {
                    $0.containerPort = 80
                    $0.hostPort = 8080
                    $0.hostIP = "127.0.0.1"
                },
                ContainerPort {
                    $0.containerPort = 53
                    $0.protocol = "UDP"
                },
            ]
            $0.spec.containers[0].securityContext = SecurityContext { $0.privileged = true }
            $0.spec.initContainers = [
                Sample.container("side") {
                    $0.restartPolicy = .always
                    $0.ports = [ContainerPort { $0.containerPort = 99 }]
                },
                Sample.container("init") { $0.ports = [ContainerPort { $0.containerPort = 98 }] },
            ]
            $0.spec.securityContext = PodSecurityContext {
                $0.sysctls = [
                    Sysctl {
                        $0.name = "net.core.somaxconn"
                        $0.value = "1024"
                    }
                ]
                $0.fsGroup = 5
                $0.supplementalGroups = [6, 7]
                $0.runAsUser = 1000
            }
        }
        #expect(config.portMappings.map(\.containerPort) == [80, 53, 99])
        #expect(config.portMappings.map(\.hostPort) == [8080, 0, 0])
        #expect(config.portMappings[0].hostIp == "127.0.0.1" && config.portMappings[1].protocol == .udp)
        #expect(config.linux?.sysctls == ["net.core.somaxconn": "1024"])
        #expect(config.linux?.securityContext?.supplementalGroups == [5, 6, 7])
        #expect(config.linux?.securityContext?.privileged == true)
        #expect(config.linux?.securityContext?.runAsUser?.value == 1000)
        #expect(config.linux?.securityContext?.seccomp?.profileType == .runtimeDefault)
    }

    @Test("the runtime class names the handler")
    func handler() {
        var context = Sample.context
        context.runtimeHandlers = ["machine": "vm"]
        context.defaultRuntimeHandler = "docker"
        func handler(_ name: String?) -> String {
            PodMapping.runtimeHandler(Sample.pod { $0.spec.runtimeClassName = name }, context)
        }
        #expect(handler(nil) == "docker" && handler("machine") == "vm" && handler("gvisor") == "gvisor")
    }

    @Test("the hosts file names the pod and its aliases")
    func hosts() {
        let pod = Sample.pod {
            $0.spec.hostAliases = [
                HostAlias {
                    $0.ip = "10.1.1.1"
                    $0.hostnames = ["db", "db.local"]
                }
            ]
        }
        let text = PodMapping.hostsFile(pod, podIPs: ["10.0.0.9"], Sample.context)
        #expect(text?.contains("127.0.0.1\tlocalhost\n") == true)
        #expect(text?.hasSuffix("10.0.0.9\tweb\n\n# Entries added by HostAliases.\n10.1.1.1\tdb\tdb.local\n") == true)
        #expect(PodMapping.hostsFile(Sample.pod { $0.spec.hostNetwork = true }, podIPs: ["1"], Sample.context) == nil)
    }
}

@Suite struct DNSTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var spec: String
        var cluster = true
        var servers: [String]
        var searches: [String]
        var options: [String]
        var testDescription: String { name }
    }

    static let clusterSearches = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"]

    @Test(
        "each policy gives its resolv.conf",
        arguments: [
            Case(
                name: "no cluster: the host's", spec: "{}", cluster: false, servers: ["192.0.2.53"],
                searches: ["example.org"], options: ["timeout:1"]),
            Case(
                name: "ClusterFirst", spec: "{}", servers: ["10.96.0.10"], searches: clusterSearches,
                options: ["ndots:5"]),
            Case(
                name: "Default", spec: #"{"dnsPolicy":"Default"}"#, servers: ["192.0.2.53"], searches: ["example.org"],
                options: ["timeout:1"]),
            Case(
                name: "host network: the host's", spec: #"{"hostNetwork":true}"#, servers: ["192.0.2.53"],
                searches: ["example.org"], options: ["timeout:1"]),
            Case(
                name: "host network that asks for the cluster's",
                spec: #"{"hostNetwork":true,"dnsPolicy":"ClusterFirstWithHostNet"}"#, servers: ["10.96.0.10"],
                searches: clusterSearches, options: ["ndots:5"]),
            Case(
                name: "None with a configuration",
                spec: #"{"dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1"],"searches":["x"],"#
                    + #""options":[{"name":"ndots","value":"2"},{"name":"edns0"}]}}"#,
                servers: ["1.1.1.1"], searches: ["x"], options: ["ndots:2", "edns0"]),
            Case(
                name: "a configuration replaces options and adds the rest, within limits",
                spec: #"{"dnsConfig":{"nameservers":["1.1.1.1","10.96.0.10","2.2.2.2","3.3.3.3"],"#
                    + #""options":[{"name":"ndots","value":"1"}]}}"#,
                servers: ["10.96.0.10", "1.1.1.1", "2.2.2.2"], searches: clusterSearches, options: ["ndots:1"]),
        ])
    func policies(test: Case) throws {
        var context = Sample.context
        if test.cluster {
            context.clusterDNS = ["10.96.0.10"]
            context.clusterDomain = "cluster.local"
        }
        let spec = try PodSpec(Documents.json(Array(test.spec.utf8)))
        let dns = PodMapping.dns(Sample.pod { $0.spec = spec }, context)
        #expect(dns.servers == test.servers)
        #expect(dns.searches == test.searches)
        #expect(dns.options == test.options)
    }

    @Test("what a resolver cannot take is left out, and that is said")
    func limits() {
        var context = Sample.context
        context.clusterDNS = ["10.96.0.10"]
        #expect(PodDNS(Sample.pod(), context).remarks.isEmpty)
        let many = Sample.pod {
            $0.spec.dnsConfig = PodDNSConfig {
                $0.nameservers = ["1.1.1.1", "2.2.2.2", "3.3.3.3"]
                $0.searches = [String(repeating: "x", count: 254)] + (0..<40).map { "s\($0).example" }
            }
        }
        let names = PodDNS(many, context)
        #expect(names.config.searches.first == "example.org" && names.config.searches.count == 31)
        #expect(names.remarks.map(\.reason) == ["DNSConfigForming", "DNSConfigForming"])
        #expect(
            names.remarks.first?.message
                == "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
                + "10.96.0.10 1.1.1.1 2.2.2.2")
        #expect(
            names.remarks.last?.message.hasPrefix(
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
                    + "example.org s0.example ") == true)
        let long = Sample.pod {
            $0.spec.dnsConfig = PodDNSConfig {
                $0.searches = (0..<10).map { "\($0)" + String(repeating: "y", count: 250) }
            }
        }
        #expect(PodDNS(long, context).config.searches.count == 9)
        context.clusterDNS = []
        #expect(PodDNS(Sample.pod(), context).remarks.map(\.reason) == ["MissingClusterDNS"])
        #expect(PodDNS(Sample.pod { $0.spec.dnsPolicy = .default }, context).remarks.isEmpty)
        #expect(PodDNS(Sample.pod { $0.spec.hostNetwork = true }, context).remarks.isEmpty)
    }

    @Test("resolv.conf is read as the C library reads it")
    func resolvConf() {
        let text = """
            # comment
            ; comment
            domain first.example
            search a.example. b.example
            nameserver\t10.0.0.1
            nameserver 10.0.0.1
            nameserver ::1
            options ndots:2 rotate
            options ndots:3
            nameserver
            sortlist 1.2.3.4
            """
        let conf = ResolvConf(parsing: text)
        #expect(conf.nameservers == ["10.0.0.1", "::1"])
        #expect(conf.searches == ["a.example", "b.example"])
        #expect(conf.options == ["rotate", "ndots:3"])
        #expect(ResolvConf(parsing: "") == ResolvConf())
    }
}
