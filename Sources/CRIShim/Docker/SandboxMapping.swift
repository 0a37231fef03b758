import Docker
import Proto

/// A sandbox as the pause container that holds its namespaces.
enum SandboxMapping {
    /// Where a container finds the file of the network namespace it is to enter.
    static let namespacePath = "/pod-network"

    /// - Parameters:
    ///   - seccompProfile: the contents of the profile the record names, when it is a file.
    ///   - network: what the shim made; nil leaves the network to Docker. With a namespace, our own program is needed.
    static func request(
        _ record: SandboxRecord, image: String, builtIn: Bool, seccompProfile: String?, network: PodNetwork? = nil,
        context: MappingContext
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
        if let network, network.namespace != nil {
            enter(network, record, in: &request, &host)
        } else {
            if !hostNetwork { try publish(record.ports, of: record, in: &request, &host) }
            if !record.sysctls.isEmpty { host.sysctls = record.sysctls }
        }
        if !record.cgroupParent.isEmpty { host.cgroupParent = context.cgroupParent(record.cgroupParent) }
        // A profile of the user's own need not let a namespace be entered; the engine's does.
        let entersNamespace = network?.namespace != nil
        host.securityOpt = try SecurityMapping.options(
            seccomp: entersNamespace ? SecurityProfileRecord(kind: 0) : record.security.seccomp ?? .init(kind: 0),
            seccompProfile: seccompProfile,
            appArmor: nil, seLinux: record.security.seLinux, noNewPrivileges: true, privileged: false, context: context)
        host.readonlyRootfs = true
        host.cpuShares = 2
        host.oomScoreAdj = Int(context.oomScore(-998))
        request.hostConfig = host
        return request
    }

    /// No network of Docker's: the pause program enters the namespace that is there already, and the pod's containers join
    /// the pause program. It needs a capability for that, which no other container of the pod is given, and becomes the
    /// pod's user by itself afterwards.
    private static func enter(
        _ network: PodNetwork, _ record: SandboxRecord, in request: inout ContainerCreateRequest,
        _ host: inout HostConfig
    ) {
        request.entrypoint = [PodHelper.path, "enter", namespacePath]
        if let user = record.security.runAsUser {
            request.entrypoint! += [String(user), String(record.security.runAsGroup ?? 0)]
            request.user = ""
        }
        host.networkMode = "none"
        host.binds = ["\(network.namespace!):\(namespacePath):ro"]
        host.capDrop = ["ALL"]
        host.capAdd = ["SYS_ADMIN", "SETUID", "SETGID"]
        // The network's own settings were made where the network is.
        let settings = record.sysctls.filter { !KernelSettings.isOfNetwork($0.key) }
        if !settings.isEmpty { host.sysctls = settings }
        // The pod's virtual machines answer at the pod's own loopback, by the ports they declare.
        host.extraHosts = hosts(record, network)
    }

    /// Further lines of the pod's /etc/hosts, as `name:address`.
    private static func hosts(_ record: SandboxRecord, _ network: PodNetwork) -> [String] {
        var lines: [String] = []
        if let own = ownName(record, network) { lines.append("\(own.name):\(own.address)") }
        if record.hostname != "vm" { lines.append("vm:127.0.0.1") }
        return lines
    }

    /// What the pod calls itself; nil without a name, and as long as it has no address.
    static func ownName(_ record: SandboxRecord, _ network: PodNetwork) -> (name: String, address: String)? {
        guard !record.hostname.isEmpty, let address = network.addresses.first else { return nil }
        return (record.hostname, address)
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
