import KubeAPI
import Proto

extension PodMapping {
    /// The sandbox of a pod.
    /// - Parameters:
    ///   - attempt: how many sandboxes the pod had before.
    ///   - plan: annotations of the sandbox's ``RuntimePlan``.
    static func sandboxConfig(
        _ pod: Pod, attempt: UInt32, plan: [String: String] = [:], _ context: MappingContext
    ) -> CRI.PodSandboxConfig {
        CRI.PodSandboxConfig {
            $0.metadata = CRI.PodSandboxMetadata {
                $0.name = pod.metadata.name
                $0.uid = pod.metadata.uid
                $0.namespace = pod.metadata.namespace
                $0.attempt = attempt
            }
            $0.hostname = hostname(pod, context)
            $0.logDirectory = logDirectory(pod, context)
            $0.dnsConfig = dns(pod, context)
            $0.portMappings = (pod.spec.containers + pod.spec.initContainers.filter(\.isSidecar)).flatMap(portMappings)
            $0.labels = sandboxLabels(pod, context)
            $0.annotations = pod.metadata.annotations.merging(plan) { $1 }
            $0.linux = CRI.LinuxPodSandboxConfig {
                $0.securityContext = sandboxSecurity(pod)
                for sysctl in pod.spec.securityContext?.sysctls ?? [] { $0.sysctls[sysctl.name] = sysctl.value }
                $0.resources = podResources(pod)
                if !pod.spec.overhead.isEmpty { $0.overhead = overhead(pod) }
            }
        }
    }

    private static func portMappings(_ container: Container) -> [CRI.PortMapping] {
        container.ports.map { port in
            CRI.PortMapping {
                $0.protocol =
                    switch port.protocol {
                    case "UDP": .udp
                    case "SCTP": .sctp
                    default: .tcp
                    }
                $0.containerPort = port.containerPort
                $0.hostPort = port.hostPort
                $0.hostIp = port.hostIP
            }
        }
    }

    /// Which namespaces the pod shares with the node.
    static func namespaces(_ pod: Pod) -> CRI.NamespaceOption {
        CRI.NamespaceOption {
            $0.network = pod.spec.hostNetwork ? .node : .pod
            $0.ipc = pod.spec.hostIPC ? .node : .pod
            $0.pid = pod.spec.hostPID ? .node : pod.spec.shareProcessNamespace == true ? .pod : .container
        }
    }

    private static func sandboxSecurity(_ pod: Pod) -> CRI.LinuxSandboxSecurityContext {
        CRI.LinuxSandboxSecurityContext {
            $0.namespaceOptions = namespaces(pod)
            $0.privileged = (pod.spec.initContainers + pod.spec.containers).contains {
                $0.securityContext?.privileged == true
            }
            $0.seccomp = CRI.SecurityProfile { $0.profileType = .runtimeDefault }
            guard let context = pod.spec.securityContext else { return }
            $0.runAsUser = context.runAsUser.map { id in CRI.Int64Value { $0.value = id } }
            $0.runAsGroup = context.runAsGroup.map { id in CRI.Int64Value { $0.value = id } }
            $0.supplementalGroups = supplementalGroups(pod)
            $0.supplementalGroupsPolicy = context.supplementalGroupsPolicy == "Strict" ? .strict : .merge
            $0.selinuxOptions = context.seLinuxOptions.map(selinux)
        }
    }

    static func supplementalGroups(_ pod: Pod) -> [Int64] {
        guard let context = pod.spec.securityContext else { return [] }
        return (context.fsGroup.map { [$0] } ?? []) + context.supplementalGroups
    }

    static func selinux(_ options: SELinuxOptions) -> CRI.SELinuxOption {
        CRI.SELinuxOption {
            $0.user = options.user
            $0.role = options.role
            $0.type = options.type
            $0.level = options.level
        }
    }
}
