import KubeAPI

/// Which kernel settings a pod may have (kubelet `sysctl` allowlist): those that change nothing for others, and those
/// somebody has allowed.
struct Sysctls: Sendable, Hashable {
    /// Names, and beginnings that end in `*`.
    var allowed: [String] = []

    static let safe: Set<String> = [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    ]

    func refusal(of pod: Pod) -> WaitingReason? {
        for sysctl in pod.spec.securityContext?.sysctls ?? [] {
            if let why = problem(sysctl.name, pod.spec) {
                return WaitingReason("SysctlForbidden", "forbidden sysctl: \(why)")
            }
        }
        return nil
    }

    private func problem(_ written: String, _ spec: PodSpec) -> String? {
        // A name with a slash first has slashes between its parts.
        let separator = written.first { $0 == "." || $0 == "/" }
        let name =
            separator == "/"
            ? String(written.map { $0 == "/" ? "." : $0 == "." ? "/" : $0 }) : written
        let isAllowed =
            Self.safe.contains(name)
            || allowed.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : $0 == name }
        guard isAllowed else { return "\"\(name)\" not allowlisted" }
        if name.hasPrefix("net."), spec.hostNetwork { return "\"\(name)\" not allowed with host net enabled" }
        if name.hasPrefix("kernel.") || name.hasPrefix("fs.mqueue."), spec.hostIPC {
            return "\"\(name)\" not allowed with host ipc enabled"
        }
        return nil
    }
}
