import KubeAPI
import Proto
import Testing

@testable import VKAdapter

@Suite struct ContainerConfigTests {
    func config(
        _ pod: Pod, attempt: UInt32 = 3, user: ImageUser = ImageUser(), paths: ContainerPaths = ContainerPaths()
    ) throws -> CRI.ContainerConfig {
        try PodMapping.containerConfig(
            pod, pod.spec.containers[0], attempt: attempt, imageRef: "sha256:abc", user: user, podIPs: ["10.0.0.9"],
            paths: paths, Sample.context)
    }

    @Test("names, labels and annotations are the kubelet's")
    func identity() throws {
        let pod = Sample.pod {
            $0.spec.containers[0].ports = [ContainerPort { $0.containerPort = 80 }]
            $0.spec.containers[0].stdin = true
        }
        let config = try config(pod)
        #expect(config.metadata?.name == "c" && config.metadata?.attempt == 3)
        #expect(config.image?.image == "sha256:abc" && config.image?.userSpecifiedImage == "busybox:1")
        #expect(
            config.labels == [
                "io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default",
                "io.kubernetes.pod.uid": "1234-uid", "io.kubernetes.container.name": "c",
                "example.dev/node": "node-1",
            ])
        var annotations = config.annotations
        let hash = annotations.removeValue(forKey: "io.kubernetes.container.hash")
        #expect(hash.flatMap { UInt32($0, radix: 16) } != nil)
        #expect(
            annotations == [
                "io.kubernetes.container.restartCount": "3",
                "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
                "io.kubernetes.container.terminationMessagePolicy": "File",
                "io.kubernetes.pod.terminationGracePeriod": "30",
                "io.kubernetes.container.ports": #"[{"containerPort":80,"protocol":"TCP"}]"#,
            ])
        #expect(config.logPath == "c/3.log")
        #expect(config.stdin && !config.tty)
    }

    @Test("commands and arguments are expanded, and nothing else is read as a shell would (C15)")
    func expansion() throws {
        let config = try config(
            Sample.pod {
                $0.spec.containers[0].env = [
                    EnvVar(name: "A", value: "$(NO) `x` \"q\""), EnvVar(name: "B", value: "<$(A)>"),
                ]
                $0.spec.containers[0].command = ["/bin/$(A)", "$(B)", "$$(A)", "$A ${A} `A`"]
                $0.spec.containers[0].args = ["$(NO)", "\\$(A)\n*", ""]
            })
        let value = "$(NO) `x` \"q\""
        #expect(config.command == ["/bin/\(value)", "<\(value)>", "$(A)", "$A ${A} `A`"])
        #expect(config.args == ["$(NO)", "\\\(value)\n*", ""])
        #expect(config.envs.first { $0.key == "B" }?.value == Array("<\(value)>".utf8))
    }

    @Test("the hash follows name and image and nothing else")
    func hash() {
        let hash = PodMapping.hash(Sample.container())
        #expect(hash == PodMapping.hash(Sample.container { $0.args = ["x"] }))
        #expect(hash != PodMapping.hash(Sample.container { $0.image = "busybox:2" }))
        #expect(hash != PodMapping.hash(Sample.container("d")))
    }

    @Test("mounts: volumes first, then hosts file and termination message unless the pod mounts there itself")
    func mounts() throws {
        let pod = Sample.pod {
            $0.spec.volumes = [Volume { $0.name = "v" }]
            $0.spec.containers[0].volumeMounts = [
                VolumeMount {
                    $0.name = "v"
                    $0.mountPath = "data"
                    $0.readOnly = true
                    $0.mountPropagation = "HostToContainer"
                },
                VolumeMount {
                    $0.name = "v"
                    $0.mountPath = "/etc/hosts"
                },
            ]
        }
        let paths = ContainerPaths(volumeMounts: ["/x/v", "/x/h"], terminationMessage: "/x/t", hosts: "/x/hosts")
        let mounts = try config(pod, paths: paths).mounts
        #expect(mounts.map(\.containerPath) == ["/data", "/etc/hosts", "/dev/termination-log"])
        #expect(mounts.map(\.hostPath) == ["/x/v", "/x/h", "/x/t"])
        #expect(mounts.map(\.readonly) == [true, false, false])
        #expect(mounts[0].propagation == .propagationHostToContainer)
        #expect(throws: AdapterError.self) { try config(pod) }
    }

    @Test(
        "cpu and memory become shares, quota and bytes",
        arguments: [
            ([:], [:], 2, 0, 0), (["cpu": "500m"], [:], 512, 0, 0), (["cpu": "1m"], [:], 2, 0, 0),
            (["cpu": "1000"], [:], 262_144, 0, 0), ([:], ["cpu": "250m"], 256, 25000, 0),
            ([:], ["cpu": "1m"], 2, 1000, 0),
            (["cpu": "1"], ["cpu": "2", "memory": "64Mi"], 1024, 200_000, 67_108_864),
        ] as [([String: Quantity], [String: Quantity], Int64, Int64, Int64)])
    func resources(
        requests: [String: Quantity], limits: [String: Quantity], shares: Int64, quota: Int64, memory: Int64
    ) throws {
        let pod = Sample.pod {
            $0.spec.containers[0].resources.requests = requests
            $0.spec.containers[0].resources.limits = limits
        }
        let resources = try #require(try config(pod).linux?.resources)
        #expect(resources.cpuShares == shares)
        #expect(resources.cpuQuota == quota)
        #expect(resources.cpuPeriod == (quota > 0 ? 100_000 : 0))
        #expect(resources.memoryLimitInBytes == memory)
    }

    @Test(
        "quality of service and who dies first",
        arguments: [
            ([:], [:], "BestEffort", 1000), (["memory": "4Gi"], [:], "Burstable", 500),
            (["memory": "1"], [:], "Burstable", 999), (["memory": "100Gi"], [:], "Burstable", 3),
            ([:], ["cpu": "1", "memory": "1Gi"], "Guaranteed", -997), ([:], ["cpu": "1"], "Burstable", 999),
            (["cpu": "500m"], ["cpu": "1", "memory": "1Gi"], "Burstable", 875),
            (["example.dev/gpu": "1"], [:], "BestEffort", 1000), (["cpu": "0"], ["cpu": "0"], "BestEffort", 1000),
        ] as [([String: Quantity], [String: Quantity], String, Int64)])
    func quality(requests: [String: Quantity], limits: [String: Quantity], qos: String, score: Int64) throws {
        let pod = Sample.pod {
            $0.spec.containers[0].resources.requests = requests
            $0.spec.containers[0].resources.limits = limits
        }
        #expect(PodMapping.qosClass(pod) == qos)
        #expect(try config(pod).linux?.resources?.oomScoreAdj == score)
    }

    @Test("the pod's sum counts containers and side-cars, or the hungriest init container")
    func podResources() {
        func limited(_ name: String, _ cpu: Quantity, sidecar: Bool = false) -> Container {
            Sample.container(name) {
                $0.resources.limits = ["cpu": cpu]
                if sidecar { $0.restartPolicy = .always }
            }
        }
        let pod = Sample.pod {
            $0.spec.containers = [limited("a", "500m"), limited("b", "500m")]
            $0.spec.initContainers = [limited("s", "250m", sidecar: true), limited("i", "2")]
        }
        #expect(PodMapping.podResources(pod).cpuQuota == 225_000)
        let open = Sample.pod { $0.spec.containers = [limited("a", "500m"), Sample.container("b")] }
        #expect(PodMapping.podResources(open).cpuQuota == 0)
        #expect(PodMapping.podResources(open).cpuShares == 512)
    }

    @Test("what is asked for the pod as a whole counts before its sum, and is a container's limit where it has none")
    func wholePod() throws {
        let pod = Sample.pod {
            $0.spec.containers = [
                Sample.container("a") { $0.resources.limits = ["memory": "1Gi"] }, Sample.container("b"),
            ]
            $0.spec.resources = ResourceRequirements {
                $0.requests = ["cpu": "1", "memory": "2Gi"]
                $0.limits = ["cpu": "1", "memory": "2Gi"]
            }
        }
        #expect(PodMapping.qosClass(pod) == "Guaranteed")
        let whole = PodMapping.podResources(pod)
        #expect(whole.cpuShares == 1024 && whole.cpuQuota == 100_000 && whole.memoryLimitInBytes == 2 << 30)
        let own = pod.spec.containers.map { PodMapping.containerResources(pod, $0, Sample.context) }
        #expect(own.map(\.memoryLimitInBytes) == [1 << 30, 2 << 30] && own.map(\.cpuQuota) == [100_000, 100_000])
        var burstable = pod
        burstable.spec.resources?.limits = [:]
        #expect(PodMapping.qosClass(burstable) == "Burstable")
        // The first asks for what it is limited to, 1 GiB; the other GiB of the pod is shared. The node has 8.
        let scores = burstable.spec.containers.map {
            PodMapping.containerResources(burstable, $0, Sample.context).oomScoreAdj
        }
        #expect(scores == [813, 938])
    }
}

@Suite struct SecurityTests {
    func security(_ pod: String, _ container: String, user: ImageUser = ImageUser()) throws
        -> CRI.LinuxContainerSecurityContext
    {
        let shared = try PodSecurityContext(Documents.json(Array(pod.utf8)))
        let own = try SecurityContext(Documents.json(Array(container.utf8)))
        let pod = Sample.pod {
            $0.spec.securityContext = shared
            $0.spec.containers[0].securityContext = own
        }
        try PodMapping.checkNonRoot(pod, pod.spec.containers[0], user: user)
        return PodMapping.containerSecurity(pod, pod.spec.containers[0], user: user, Sample.context)
    }

    @Test("the container wins over the pod, the pod over the image")
    func precedence() throws {
        let user = ImageUser(uid: 7)
        #expect(try security("{}", "{}", user: user).runAsUser?.value == 7)
        #expect(try security(#"{"runAsUser":8}"#, "{}", user: user).runAsUser?.value == 8)
        #expect(try security(#"{"runAsUser":8}"#, #"{"runAsUser":9}"#, user: user).runAsUser?.value == 9)
        let named = try security("{}", "{}", user: ImageUser(username: "www"))
        #expect(named.runAsUser == nil && named.runAsUsername == "www")
    }

    @Test("rights and profiles")
    func rights() throws {
        let plain = try security("{}", "{}")
        #expect(plain.seccomp?.profileType == .unconfined && plain.apparmor == nil && !plain.noNewPrivs)
        #expect(plain.maskedPaths.contains("/proc/kcore") && plain.readonlyPaths.contains("/proc/sys"))
        let strict = try security(
            #"{"seccompProfile":{"type":"RuntimeDefault"},"supplementalGroupsPolicy":"Strict"}"#,
            #"{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"#
                + #""capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]},"#
                + #""seccompProfile":{"type":"Localhost","localhostProfile":"p.json"}}"#)
        #expect(strict.noNewPrivs && strict.readonlyRootfs)
        #expect(strict.capabilities?.addCapabilities == ["NET_ADMIN"])
        #expect(strict.capabilities?.dropCapabilities == ["ALL"])
        #expect(strict.seccomp?.profileType == .localhost)
        #expect(strict.seccomp?.localhostRef == "/var/lib/kubelet/seccomp/p.json")
        #expect(strict.supplementalGroupsPolicy == .strict)
        let privileged = try security("{}", #"{"privileged":true}"#)
        #expect(privileged.privileged && privileged.maskedPaths.isEmpty)
        #expect(try security("{}", #"{"procMount":"Unmasked"}"#).maskedPaths.isEmpty)
    }

    @Test(
        "runAsNonRoot is checked before the container is made",
        arguments: [
            (#"{"runAsNonRoot":true,"runAsUser":1}"#, ImageUser(), true),
            (#"{"runAsNonRoot":true,"runAsUser":0}"#, ImageUser(uid: 5), false),
            (#"{"runAsNonRoot":true}"#, ImageUser(uid: 5), true), (#"{"runAsNonRoot":true}"#, ImageUser(uid: 0), false),
            (#"{"runAsNonRoot":true}"#, ImageUser(username: "www"), false),
            (#"{"runAsNonRoot":true}"#, ImageUser(), false), (#"{"runAsNonRoot":false}"#, ImageUser(uid: 0), true),
        ])
    func nonRoot(container: String, user: ImageUser, allowed: Bool) {
        if allowed {
            #expect(throws: Never.self) { try security(#"{"runAsNonRoot":true}"#, container, user: user) }
        } else {
            #expect(throws: AdapterError.self) { try security("{}", container, user: user) }
        }
    }
}
