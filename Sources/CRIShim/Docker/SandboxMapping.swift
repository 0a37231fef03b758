import Docker
import Proto

/// A sandbox as the pause container that holds its namespaces.
enum SandboxMapping {
    /// - Parameter seccompProfile: the contents of the profile the record names, when it is a file.
    static func request(
        _ record: SandboxRecord, image: String, builtIn: Bool, seccompProfile: String?, context: MappingContext
    ) throws -> ContainerCreateRequest {
        let hostNetwork = record.namespaces.network == 2
        var request = ContainerCreateRequest(image: image)
        request.labels = [
            DockerLabels.instance: context.instance,
            DockerLabels.kind: DockerLabels.Kind.pause,
            DockerLabels.sandbox: record.id,
            DockerLabels.pod: "\(record.metadata.namespace)/\(record.metadata.name)",
        ]
        if builtIn {
            request.entrypoint = [PodHelper.path]
            request.labels[DockerLabels.helper] = PodHelper.source
        }
        request.user = try SecurityMapping.user(
            name: "", uid: record.security.runAsUser,
            gid: record.security.runAsUser == nil ? nil : record.security.runAsGroup)

        var host = HostConfig()
        host.logConfig = .init(type: "none", config: [:])
        host.networkMode = hostNetwork ? "host" : "bridge"
        if hostNetwork {
            host.utsMode = "host"
        } else if !record.hostname.isEmpty {
            request.hostname = record.hostname
        }
        host.ipcMode = record.namespaces.ipc == 2 ? "host" : "shareable"
        if record.namespaces.pid == 2 { host.pidMode = "host" }
        if let dns = record.dns {
            host.dns = dns.servers
            // "." is Docker's word for "none"; without it the host's domains would be searched.
            host.dnsSearch = dns.searches.isEmpty ? ["."] : dns.searches
            host.dnsOptions = dns.options
        }
        if !hostNetwork { try publish(record.ports, of: record, in: &request, &host) }
        if !record.sysctls.isEmpty { host.sysctls = record.sysctls }
        if !record.cgroupParent.isEmpty { host.cgroupParent = context.cgroupParent(record.cgroupParent) }
        host.securityOpt = try SecurityMapping.options(
            seccomp: record.security.seccomp ?? SecurityProfileRecord(kind: 0), seccompProfile: seccompProfile,
            appArmor: nil, seLinux: record.security.seLinux, noNewPrivileges: true, privileged: false, context: context)
        host.readonlyRootfs = true
        host.cpuShares = 2
        host.oomScoreAdj = Int(context.oomScore(-998))
        request.hostConfig = host
        return request
    }

    private static func publish(
        _ ports: [SandboxRecord.PortMapping], of record: SandboxRecord, in request: inout ContainerCreateRequest,
        _ host: inout HostConfig
    ) throws {
        for port in ports where port.hostPort != 0 {
            guard let name = ["tcp", "udp", "sctp"].dropFirst(Int(port.protocol)).first, port.protocol >= 0 else {
                throw ShimError(.invalidArgument, "a port mapping has the unknown protocol \(port.protocol)")
            }
            guard (1...65535).contains(port.containerPort), (1...65535).contains(port.hostPort) else {
                throw ShimError(
                    .invalidArgument,
                    "port mapping \(port.hostPort) to \(port.containerPort) is out of range (1 to 65535)")
            }
            let key = "\(port.containerPort)/\(name)"
            request.exposedPorts.insert(key)
            host.portBindings = (host.portBindings ?? [:]).merging(
                [key: [.init(hostIP: port.hostIP, hostPort: String(port.hostPort))]], uniquingKeysWith: +)
        }
    }
}
