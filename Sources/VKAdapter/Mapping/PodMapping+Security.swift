import KubeAPI
import Proto

extension PodMapping {
    /// What of `/proc` is hidden from a container unless its procMount is Unmasked.
    private static let maskedPaths = [
        "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ]
    private static let readonlyPaths = [
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
    ]

    /// The security context of a container: its own settings over the pod's over the image's user.
    static func containerSecurity(_ pod: Pod, _ container: Container, user: ImageUser, _ context: MappingContext)
        -> CRI.LinuxContainerSecurityContext
    {
        let own = container.securityContext ?? SecurityContext()
        let shared = pod.spec.securityContext ?? PodSecurityContext()
        let privileged = own.privileged == true
        return CRI.LinuxContainerSecurityContext {
            $0.capabilities = own.capabilities.map { capabilities in
                CRI.Capability {
                    $0.addCapabilities = capabilities.add
                    $0.dropCapabilities = capabilities.drop
                }
            }
            $0.privileged = privileged
            $0.namespaceOptions = namespaces(pod)
            $0.selinuxOptions = (own.seLinuxOptions ?? shared.seLinuxOptions).map(selinux)
            if let id = own.runAsUser ?? shared.runAsUser {
                $0.runAsUser = CRI.Int64Value { $0.value = id }
            } else if let id = user.uid {
                $0.runAsUser = CRI.Int64Value { $0.value = id }
            } else {
                $0.runAsUsername = user.username
            }
            $0.runAsGroup = (own.runAsGroup ?? shared.runAsGroup).map { id in CRI.Int64Value { $0.value = id } }
            $0.readonlyRootfs = own.readOnlyRootFilesystem == true
            $0.supplementalGroups = supplementalGroups(pod)
            $0.supplementalGroupsPolicy = shared.supplementalGroupsPolicy == "Strict" ? .strict : .merge
            $0.noNewPrivs = own.allowPrivilegeEscalation == false
            let seccomp = profile(own.seccompProfile ?? shared.seccompProfile, root: context.seccompRoot)
            $0.seccomp = seccomp ?? CRI.SecurityProfile { $0.profileType = .unconfined }
            $0.apparmor = profile(own.appArmorProfile ?? shared.appArmorProfile, root: "")
            if own.procMount != "Unmasked", !privileged {
                $0.maskedPaths = maskedPaths
                $0.readonlyPaths = readonlyPaths
            }
        }
    }

    private static func profile(_ profile: KubeAPI.SecurityProfile?, root: String) -> CRI.SecurityProfile? {
        guard let profile else { return nil }
        return CRI.SecurityProfile {
            switch profile.type {
            case "Localhost":
                $0.profileType = .localhost
                let name = profile.localhostProfile ?? ""
                $0.localhostRef = root.isEmpty ? name : "\(root)/\(name)"
            case "Unconfined": $0.profileType = .unconfined
            default: $0.profileType = .runtimeDefault
            }
        }
    }

    /// Refuses to run a container as root that says it must not (kubelet `verifyRunAsNonRoot`).
    static func checkNonRoot(_ pod: Pod, _ container: Container, user: ImageUser) throws(AdapterError) {
        let own = container.securityContext
        let shared = pod.spec.securityContext
        guard own?.runAsNonRoot ?? shared?.runAsNonRoot ?? false else { return }
        let name =
            "(pod: \"\(pod.metadata.name)_\(pod.metadata.namespace)(\(pod.metadata.uid))\", "
            + "container: \(container.name))"
        if let id = own?.runAsUser ?? shared?.runAsUser {
            if id != 0 { return }
            throw AdapterError(
                .invalidArgument, "container's runAsUser breaks non-root policy \(name)")
        }
        if let id = user.uid {
            if id != 0 { return }
            throw AdapterError(
                .invalidArgument, "container has runAsNonRoot and image will run as root \(name)")
        }
        if !user.username.isEmpty {
            throw AdapterError(
                .invalidArgument,
                "container has runAsNonRoot and image has non-numeric user (\(user.username)), cannot verify user is "
                    + "non-root \(name)")
        }
        throw AdapterError(.invalidArgument, "container has runAsNonRoot and image will run as root \(name)")
    }
}
