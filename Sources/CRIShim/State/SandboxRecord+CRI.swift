import Proto

extension SandboxRecord {
    /// Takes what is kept out of a RunPodSandbox request.
    /// - Throws: `invalidArgument` when something is missing or asks for what no runtime here has.
    init(_ config: CRI.PodSandboxConfig, handler: String, id: String) throws {
        guard let metadata = config.metadata, !metadata.name.isEmpty, !metadata.namespace.isEmpty, !metadata.uid.isEmpty
        else {
            throw ShimError(
                .invalidArgument,
                "the sandbox's metadata must have a name, a namespace and a uid: fill in what is missing")
        }
        self.init()
        self.id = id
        self.handler = handler
        createdAt = Timestamps.now()
        self.metadata = Metadata(
            name: metadata.name, namespace: metadata.namespace, uid: metadata.uid, attempt: metadata.attempt)
        hostname = config.hostname
        logDirectory = config.logDirectory
        dns = config.dnsConfig.map { DNS(servers: $0.servers, searches: $0.searches, options: $0.options) }
        ports = config.portMappings.map {
            PortMapping(
                protocol: $0.protocol.rawValue, containerPort: $0.containerPort, hostPort: $0.hostPort,
                hostIP: $0.hostIp)
        }
        labels = config.labels
        annotations = config.annotations
        guard config.windows == nil else {
            throw ShimError(
                .invalidArgument, "sandbox \(metadata.name) has a windows section; this node runs no Windows")
        }
        guard let linux = config.linux else { return }
        cgroupParent = linux.cgroupParent
        sysctls = linux.sysctls
        guard let context = linux.securityContext else { return }
        if let options = context.namespaceOptions {
            try options.refuseUserNamespace()
            namespaces = Namespaces(
                network: options.network.rawValue, pid: options.pid.rawValue, ipc: options.ipc.rawValue, given: true)
        }
        security.privileged = context.privileged
        security.readOnlyRoot = context.readonlyRootfs
        security.runAsUser = context.runAsUser?.value
        security.runAsGroup = context.runAsGroup?.value
        security.supplementalGroups = context.supplementalGroups
        security.seccomp = SecurityProfileRecord(context.seccomp, deprecatedPath: context.seccompProfilePath)
        security.seLinux = context.selinuxOptions.map {
            SELinuxRecord(user: $0.user, role: $0.role, type: $0.type, level: $0.level)
        }
    }
}

extension SecurityProfileRecord {
    /// The profile asked for by the current field or else by the older one (`unconfined`, `runtime/default`,
    /// `docker/default`, `localhost/PATH`); nil when by neither.
    init?(_ profile: CRI.SecurityProfile?, deprecatedPath: String) {
        if let profile {
            self.init(kind: profile.profileType.rawValue, reference: Self.stripped(profile.localhostRef))
            return
        }
        switch deprecatedPath {
        case "": return nil
        case "unconfined": self.init(kind: 1)
        case "runtime/default", "docker/default": self.init(kind: 0)
        default: self.init(kind: 2, reference: Self.stripped(deprecatedPath))
        }
    }

    private static func stripped(_ reference: String) -> String {
        reference.hasPrefix("localhost/") ? String(reference.dropFirst("localhost/".count)) : reference
    }
}

extension CRI.NamespaceOption {
    /// User namespaces per pod need what neither Docker's API nor this runtime offers.
    func refuseUserNamespace() throws {
        guard let options = usernsOptions, options.mode != .node else { return }
        throw ShimError(
            .invalidArgument,
            "a user namespace per pod was asked for, which the docker handler cannot make: set hostUsers to true")
    }
}
