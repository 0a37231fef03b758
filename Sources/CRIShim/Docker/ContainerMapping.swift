import Docker
import Proto

/// A CRI container as a Docker container that joins its sandbox's pause container.
enum ContainerMapping {
    /// Bytes of a container's output the engine keeps for us to read, per file and files: bounded, and far more than a
    /// restart of this program takes.
    static let logLimits = ["max-size": "16m", "max-file": "4", "compress": "false"]

    struct Input {
        var creation: ContainerCreation
        /// The image's id.
        var imageID: String
        /// The pause container.
        var holder: String
        /// The contents of the seccomp profile the config names, when it is a file.
        var seccompProfile: String?
    }

    static func request(_ input: Input, context: MappingContext) throws -> (ContainerCreateRequest, ContainerRecord) {
        let config = input.creation.config
        let sandbox = input.creation.sandbox.record
        let name = config.metadata?.name ?? ""
        guard config.cDIDevices.isEmpty else {
            throw ShimError(
                .unsupported, "container \(name) asks for CDI devices, which the docker handler cannot give")
        }
        let security = config.linux?.securityContext ?? .init()
        var request = ContainerCreateRequest(image: input.imageID)
        if !config.command.isEmpty { request.entrypoint = config.command }
        if !config.args.isEmpty { request.cmd = config.args }
        request.env = try config.envs.map { variable in
            guard let value = String(validating: variable.value, as: UTF8.self), !value.contains("\0") else {
                throw ShimError(
                    .unsupported,
                    "container \(name): the value of \(variable.key) is not UTF-8 text, which Docker's API cannot carry"
                )
            }
            return "\(variable.key)=\(value)"
        }
        request.workingDir = config.workingDir
        request.tty = config.tty
        request.openStdin = config.stdin
        request.stdinOnce = config.stdinOnce
        request.stopSignal = try StopSignals.name(config.stopSignal.rawValue)
        request.user = try SecurityMapping.user(
            name: security.runAsUsername, uid: security.runAsUser?.value, gid: security.runAsGroup?.value)

        var host = HostConfig()
        host.logConfig = .init(type: "local", config: logLimits)
        try join(security.namespaceOptions ?? .init(), sandbox, holder: input.holder, &host)
        try restrict(security, sandbox, name: name, input.seccompProfile, &host, context)
        host.binds = try MountMapping.binds(config.mounts, seLinux: context.seLinux)
        host.devices = try config.devices.map { device in
            guard !device.hostPath.isEmpty, !device.containerPath.isEmpty else {
                throw ShimError(.invalidArgument, "container \(name): a device needs a path on both sides")
            }
            return .init(
                pathOnHost: device.hostPath, pathInContainer: device.containerPath,
                cgroupPermissions: device.permissions)
        }
        if !sandbox.cgroupParent.isEmpty { host.cgroupParent = context.cgroupParent(sandbox.cgroupParent) }
        if let resources = config.linux?.resources {
            try ResourceMapping.apply(resources, to: &host, what: "container \(name)", context: context)
        }
        request.hostConfig = host

        let record = record(of: input, security)
        request.labels = [
            DockerLabels.instance: context.instance,
            DockerLabels.kind: DockerLabels.Kind.container,
            DockerLabels.sandbox: sandbox.id,
            DockerLabels.pod: "\(sandbox.metadata.namespace)/\(sandbox.metadata.name)",
            DockerLabels.container: name,
            DockerLabels.config: String(decoding: try RecordCoding.encode(record), as: UTF8.self),
        ]
        return (request, record)
    }

    private static func join(
        _ options: CRI.NamespaceOption, _ sandbox: SandboxRecord, holder: String, _ host: inout HostConfig
    ) throws {
        try options.refuseUserNamespace()
        let pod = "container:\(holder)"
        host.networkMode = pod
        if sandbox.namespaces.network == 2 { host.utsMode = "host" }
        host.ipcMode = options.ipc == .node ? "host" : pod
        switch options.pid {
        case .pod: host.pidMode = pod
        case .container: break
        case .node: host.pidMode = "host"
        case .target:
            guard !options.targetId.isEmpty else {
                throw ShimError(.invalidArgument, "PID namespace mode TARGET was asked for without a target container")
            }
            host.pidMode = "container:\(options.targetId)"
        default: throw ShimError(.invalidArgument, "PID namespace mode \(options.pid.rawValue) is unknown")
        }
    }

    private static func restrict(
        _ security: CRI.LinuxContainerSecurityContext, _ sandbox: SandboxRecord, name: String,
        _ seccompProfile: String?,
        _ host: inout HostConfig, _ context: MappingContext
    ) throws {
        if security.privileged {
            guard sandbox.security.privileged else {
                throw ShimError(
                    .invalidArgument,
                    "container \(name) is privileged, its sandbox is not: a privileged container needs a privileged sandbox"
                )
            }
            host.privileged = true
        }
        guard security.supplementalGroupsPolicy == .merge else {
            throw ShimError(
                .unsupported,
                "container \(name) asks for supplemental groups policy Strict; the docker handler has Merge only")
        }
        host.groupAdd = security.supplementalGroups.map(String.init)
        let capabilities = security.capabilities ?? .init()
        guard capabilities.addAmbientCapabilities.isEmpty else {
            throw ShimError(
                .unsupported, "container \(name) asks for ambient capabilities, which the docker handler cannot give")
        }
        host.capAdd = SecurityMapping.capabilities(capabilities.addCapabilities)
        host.capDrop = SecurityMapping.capabilities(capabilities.dropCapabilities)
        host.readonlyRootfs = security.readonlyRootfs
        // Empty cannot be told from absent on the wire; absent is Docker's own list.
        if !security.maskedPaths.isEmpty { host.maskedPaths = security.maskedPaths }
        if !security.readonlyPaths.isEmpty { host.readonlyPaths = security.readonlyPaths }
        host.securityOpt = try SecurityMapping.options(
            seccomp: SecurityProfileRecord(security.seccomp, deprecatedPath: security.seccompProfilePath),
            seccompProfile: seccompProfile,
            appArmor: SecurityMapping.appArmor(security),
            seLinux: security.selinuxOptions.map {
                SELinuxRecord(user: $0.user, role: $0.role, type: $0.type, level: $0.level)
            },
            noNewPrivileges: security.noNewPrivs, privileged: security.privileged, context: context)
    }

    private static func record(of input: Input, _ security: CRI.LinuxContainerSecurityContext) -> ContainerRecord {
        var record = ContainerRecord(input.creation, imageID: input.imageID)
        if let uid = security.runAsUser?.value, let gid = security.runAsGroup?.value {
            record.user = .init(uid: uid, gid: gid, groups: [gid] + security.supplementalGroups.filter { $0 != gid })
        }
        return record
    }
}
