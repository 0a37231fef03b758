import Docker
import Proto
import Testing

@testable import CRIShim

@Suite struct SandboxMappingTests {
    static let context = MappingContext(
        instance: "i1", cgroupDriver: "cgroupfs", appArmor: false, seLinux: false, lowestOOMScore: nil)

    private func request(
        network: PodNetwork? = nil, _ change: (inout SandboxRecord) -> Void
    ) throws -> ContainerCreateRequest {
        var record = SandboxRecord()
        record.id = String(repeating: "a", count: 64)
        record.metadata = .init(name: "web", namespace: "shop", uid: "u", attempt: 0)
        change(&record)
        return try SandboxMapping.request(
            record, image: "pause", builtIn: true, seccompProfile: nil, network: network, context: Self.context)
    }

    @Test func `a pod whose network is there already enters it and has no other`() throws {
        var network = PodNetwork(sandbox: "a", kind: .bridge)
        network.namespace = "/run/netns/a"
        network.addresses = ["10.1.2.3"]
        let request = try request(network: network) {
            $0.hostname = "web-0"
            $0.ports = [.init(protocol: 0, containerPort: 80, hostPort: 8080)]
            $0.sysctls = ["net.core.somaxconn": "9", "kernel.shmmax": "7"]
            $0.security.runAsUser = 1_000_660_000
            $0.security.seccomp = .init(kind: 2, reference: "/profile")
        }
        #expect(request.hostConfig.networkMode == "none")
        #expect(request.hostConfig.binds == ["/run/netns/a:/pod-network:ro"])
        #expect(request.entrypoint == ["/pause", "enter", "/pod-network", "1000660000", "0"])
        #expect(request.user == "")
        #expect(request.hostConfig.capDrop == ["ALL"])
        #expect(request.hostConfig.capAdd?.contains("SYS_ADMIN") == true)
        #expect(request.hostConfig.securityOpt == ["no-new-privileges:true"])
        #expect(request.exposedPorts.isEmpty)
        #expect(request.hostConfig.sysctls == ["kernel.shmmax": "7"])
        #expect(request.hostConfig.extraHosts == ["web-0:10.1.2.3", "vm:127.0.0.1"])
        let host = try self.request(network: PodNetwork(sandbox: "a", kind: .host)) { $0.namespaces.network = 2 }
        #expect(host.hostConfig.networkMode == "host")
    }

    @Test func `a pod gets a network, a shareable IPC namespace and its hostname`() throws {
        let request = try request { $0.hostname = "web-0" }
        #expect(request.hostname == "web-0")
        #expect(request.hostConfig.networkMode == "bridge")
        #expect(request.hostConfig.ipcMode == "shareable")
        #expect(request.hostConfig.pidMode == nil)
        #expect(request.labels[DockerLabels.instance] == "i1")
        #expect(request.labels[DockerLabels.kind] == "pause")
        #expect(request.labels[DockerLabels.pod] == "shop/web")
    }

    @Test func `a pod on the host's network has its hostname and no published ports`() throws {
        let request = try request {
            $0.hostname = "node"
            $0.namespaces = .init(network: 2, pid: 2, ipc: 2, given: true)
            $0.ports = [.init(protocol: 0, containerPort: 80, hostPort: 80)]
        }
        #expect(request.hostConfig.networkMode == "host")
        #expect(request.hostConfig.utsMode == "host")
        #expect(request.hostConfig.pidMode == "host")
        #expect(request.hostConfig.ipcMode == "host")
        #expect(request.hostname == nil)
        #expect(request.exposedPorts.isEmpty)
    }

    @Test func `host ports are published, container ports alone are not`() throws {
        let request = try request {
            $0.ports = [
                .init(protocol: 0, containerPort: 80, hostPort: 8080, hostIP: "127.0.0.1"),
                .init(protocol: 1, containerPort: 53, hostPort: 5353), .init(protocol: 0, containerPort: 9000),
            ]
        }
        #expect(request.exposedPorts == ["80/tcp", "53/udp"])
        #expect(throws: ShimError.self) {
            try self.request { $0.ports = [.init(protocol: 7, containerPort: 1, hostPort: 1)] }
        }
        #expect(throws: ShimError.self) {
            try self.request { $0.ports = [.init(protocol: 0, containerPort: 70000, hostPort: 1)] }
        }
    }

    @Test func `a pod without search domains has none, not the host's`() throws {
        let request = try request { $0.dns = .init(servers: ["10.0.0.10"], searches: [], options: ["ndots:5"]) }
        #expect(request.hostConfig.dns == ["10.0.0.10"])
        #expect(request.hostConfig.dnsSearch == ["."])
        #expect(request.hostConfig.dnsOptions == ["ndots:5"])
    }

    @Test func `with the systemd driver a cgroup parent is a slice's own name`() throws {
        var systemd = Self.context
        systemd.cgroupDriver = "systemd"
        #expect(systemd.cgroupParent("/kubepods.slice/kubepods-pod1.slice") == "kubepods-pod1.slice")
        #expect(Self.context.cgroupParent("/kubepods/pod1") == "/kubepods/pod1")
    }
}

@Suite struct ContainerMappingTests {
    private func map(
        sandbox: (inout SandboxRecord) -> Void = { _ in }, context: MappingContext = SandboxMappingTests.context,
        seccomp: String? = nil, _ change: (inout CRI.ContainerConfig) -> Void
    ) throws -> (ContainerCreateRequest, ContainerRecord) {
        var entry = StateStoreTests.sandbox("aa")
        sandbox(&entry.record)
        let config = CRI.ContainerConfig {
            $0.metadata = .init { $0.name = "main" }
            $0.image = .init { $0.image = "busybox" }
            change(&$0)
        }
        return try ContainerMapping.request(
            .init(
                creation: .init(sandbox: entry, config: config, logPath: "/logs/main/0.log"), imageID: "sha256:1",
                holder: "pause1", seccompProfile: seccomp),
            context: context)
    }

    private func security(_ change: @escaping (inout CRI.LinuxContainerSecurityContext) -> Void) throws
        -> ContainerCreateRequest
    {
        try map { $0.linux = .init { $0.securityContext = .init(change) } }.0
    }

    @Test func `command is the entry point, args are the command`() throws {
        #expect(try map { _ in }.0.entrypoint == nil)
        #expect(
            try map {
                $0.command = ["sh"]; $0.args = ["-c", "x"]
            }.0.entrypoint == ["sh"])
        #expect(
            try map {
                $0.command = ["sh"]; $0.args = ["-c", "x"]
            }.0.cmd == ["-c", "x"])
        #expect(try map { $0.args = ["x"] }.0.entrypoint == nil)
    }

    @Test func `a container joins its pod's namespaces`() throws {
        let host = try map { _ in }.0.hostConfig
        #expect(host.networkMode == "container:pause1")
        #expect(host.ipcMode == "container:pause1")
        #expect(host.pidMode == "container:pause1")
    }

    @Test(
        "PID modes",
        arguments: [
            (CRI.NamespaceMode.pod, "container:pause1"), (.container, nil), (.node, "host"), (.target, "container:t1"),
        ] as [(CRI.NamespaceMode, String?)])
    func pidModes(mode: CRI.NamespaceMode, expected: String?) throws {
        let request = try security {
            $0.namespaceOptions = .init {
                $0.pid = mode; $0.targetId = "t1"
            }
        }
        #expect(request.hostConfig.pidMode == expected)
    }

    @Test func `users, groups and who asked for what`() throws {
        func user(_ change: @escaping (inout CRI.LinuxContainerSecurityContext) -> Void) throws -> String {
            try security(change).user
        }
        #expect(try user { _ in } == "")
        #expect(try user { $0.runAsUser = .init { $0.value = 1000 } } == "1000")
        #expect(
            try user {
                $0.runAsUser = .init { $0.value = 0 }; $0.runAsGroup = .init { $0.value = 7 }
            } == "0:7")
        #expect(try user { $0.runAsUsername = "www" } == "www")
        #expect { try user { $0.runAsGroup = .init { $0.value = 7 } } } throws: {
            ($0 as? ShimError)?.code == .invalidArgument
        }
        #expect(try security { $0.supplementalGroups = [5, 6] }.hostConfig.groupAdd == ["5", "6"])
        #expect { try security { $0.supplementalGroupsPolicy = .strict } } throws: {
            ($0 as? ShimError)?.code == .unsupported
        }
    }

    @Test func `a privileged container needs a privileged sandbox`() throws {
        #expect { try security { $0.privileged = true } } throws: { ($0 as? ShimError)?.code == .invalidArgument }
        let request = try map(sandbox: { $0.security.privileged = true }) {
            $0.linux = .init { $0.securityContext = .init { $0.privileged = true } }
        }.0
        #expect(request.hostConfig.privileged == true)
    }

    @Test func `seccomp: none is unconfined, the default is Docker's, a file is its contents`() throws {
        #expect(try security { _ in }.hostConfig.securityOpt == ["seccomp=unconfined"])
        #expect(try security { $0.seccomp = .init() }.hostConfig.securityOpt == [])
        let request = try map(seccomp: "{}") {
            $0.linux = .init {
                $0.securityContext = .init {
                    $0.noNewPrivs = true
                    $0.seccomp = .init {
                        $0.profileType = .init(rawValue: 2); $0.localhostRef = "/p"
                    }
                }
            }
        }.0
        #expect(request.hostConfig.securityOpt == ["seccomp={}", "no-new-privileges:true"])
    }

    @Test func `capabilities lose their prefix`() throws {
        let request = try security {
            $0.capabilities = .init {
                $0.addCapabilities = ["CAP_NET_ADMIN", "sys_time"]; $0.dropCapabilities = ["ALL"]
            }
        }
        #expect(request.hostConfig.capAdd == ["NET_ADMIN", "SYS_TIME"])
        #expect(request.hostConfig.capDrop == ["ALL"])
    }

    @Test(
        "mounts",
        arguments: [
            (
                CRI.Mount {
                    $0.hostPath = "/a"; $0.containerPath = "/b"
                }, "/a:/b:rw,rprivate"
            ),
            (
                CRI.Mount {
                    $0.hostPath = "/a"; $0.containerPath = "/b"; $0.readonly = true
                }, "/a:/b:ro,rprivate"
            ),
            (
                CRI.Mount {
                    $0.hostPath = "/a"; $0.containerPath = "/b"; $0.propagation = .propagationBidirectional
                },
                "/a:/b:rw,rshared"
            ),
            (
                CRI.Mount {
                    $0.hostPath = "/a"; $0.containerPath = "/b"; $0.propagation = .propagationHostToContainer
                },
                "/a:/b:rw,rslave"
            ),
        ])
    func mounts(mount: CRI.Mount, bind: String) throws {
        #expect(try map { $0.mounts = [mount] }.0.hostConfig.binds == [bind])
    }

    @Test(
        "mounts that Docker cannot make are refused, not dropped",
        arguments: [
            CRI.Mount {
                $0.hostPath = "a"; $0.containerPath = "/b"
            },
            CRI.Mount {
                $0.containerPath = "/b"; $0.image = .init { $0.image = "x" }
            },
            CRI.Mount {
                $0.hostPath = "/a:b"; $0.containerPath = "/b"
            },
            CRI.Mount {
                $0.hostPath = "/a"; $0.containerPath = "/b"; $0.recursiveReadOnly = true
            },
            CRI.Mount {
                $0.hostPath = "/a"; $0.containerPath = "/b"; $0.mountOptions = ["noexec"]
            },
        ])
    func refusedMounts(mount: CRI.Mount) {
        #expect(throws: ShimError.self) { try map { $0.mounts = [mount] } }
    }

    @Test func `memory brings no swap with it`() throws {
        func host(_ change: @escaping (inout CRI.LinuxContainerResources) -> Void) throws -> HostConfig {
            try map { $0.linux = .init { $0.resources = .init(change) } }.0.hostConfig
        }
        #expect(try host { $0.memoryLimitInBytes = 1 << 26 }.memorySwap == 1 << 26)
        #expect(
            try host {
                $0.memoryLimitInBytes = 1 << 26; $0.memorySwapLimitInBytes = -1
            }.memorySwap == -1)
        #expect(
            try host {
                $0.cpuShares = 512; $0.cpuQuota = 50000; $0.cpuPeriod = 100000
            }.cpuQuota == 50000)
        #expect(throws: ShimError.self) {
            try host {
                $0.hugepageLimits = [
                    .init {
                        $0.pageSize = "2MB"; $0.limit = 1
                    }
                ]
            }
        }
        _ = try host {
            $0.hugepageLimits = [.init { $0.pageSize = "2MB" }]; $0.unified = ["memory.oom.group": "1"]
        }
    }

    @Test func `an OOM score that the host would refuse is raised to what it allows`() throws {
        var limited = SandboxMappingTests.context
        limited.lowestOOMScore = 0
        let request = try map(context: limited) {
            $0.linux = .init { $0.resources = .init { $0.oomScoreAdj = -997 } }
        }.0
        #expect(request.hostConfig.oomScoreAdj == 0)
    }

    @Test(
        "stop signals have Docker's names",
        arguments: [
            (0, nil), (9, "SIGILL"), (13, "SIGKILL"), (23, "SIGTERM"), (35, "SIGRTMIN"), (36, "SIGRTMIN+1"),
            (50, "SIGRTMIN+15"),
            (51, "SIGRTMAX-14"), (64, "SIGRTMAX-1"), (65, "SIGRTMAX"),
        ] as [(Int32, String?)])
    func signals(number: Int32, name: String?) throws {
        #expect(try StopSignals.name(number) == name)
    }

    @Test func `everything the CRI shows can be rebuilt from the label`() throws {
        let (request, record) = try map {
            $0.labels = ["l": "1"]
            $0.annotations = ["a": "\"quoted\""]
            $0.mounts = [
                .init {
                    $0.hostPath = "/a"; $0.containerPath = "/b"; $0.readonly = true
                }
            ]
            $0.tty = true
            $0.stopSignal = .init(rawValue: 23)
            $0.image = .init {
                $0.image = "busybox"; $0.userSpecifiedImage = "busybox:latest"
            }
        }
        let label = try #require(request.labels[DockerLabels.config])
        let read = try RecordCoding.decode(
            ContainerRecord.self, schema: ContainerRecord.schema, from: Array(label.utf8), place: "label")
        #expect(read == record)
        #expect(read.logPath == "/logs/main/0.log")
        #expect(read.imageID == "sha256:1")
    }

    @Test func `a value that is not text is refused`() {
        #expect {
            try map {
                $0.envs = [
                    .init {
                        $0.key = "K"; $0.value = [0xff]
                    }
                ]
            }
        } throws: {
            ($0 as? ShimError)?.code == .unsupported
        }
    }

    @Test func `names say what they name, in letters Docker takes`() {
        var record = SandboxRecord()
        record.metadata = .init(name: "web/ä", namespace: "shop", uid: "u", attempt: 0)
        let name = DockerNames.container("main", attempt: 1, in: record, unique: "abc")
        #expect(name == "vzcri_web--_shop_main_1_abc")
    }
}
