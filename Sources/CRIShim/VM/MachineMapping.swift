import Proto
import VZEngine

/// A CRI container as a machine: pure, but for what it is told of the host.
enum MachineMapping {
    /// Where the kubelet tells which file takes the last words.
    static let terminationPath = "io.kubernetes.container.terminationMessagePath"

    struct Input {
        var id: String
        var creation: ContainerCreation
        var image: MachineImage
        /// The container's clones, in place.
        var disks: [MachineConfig.Disk]
        var boot: MachineConfig.Boot
        var mounts: MachineMounts
        var hosts: [MachineConfig.Naming.Host] = []
        var namespace: String?
        /// The machine's place in its pod, from 0.
        var index = 0
        /// What the pod's other machines have.
        var takenPorts: Set<MachineConfig.Network.Port> = []
        /// The bridge it is to be on.
        var bridge: String?
        /// Without a bridge it has an address that the host gives it.
        var isBehindHost = false
        /// Of the machine's network card.
        var hardwareAddress: HardwareAddress?
        var size: MachineResources.Size
        var wishes = MachineOptions()
        var readinessTimeout: Int
        var dialTimeout: Int?
        var keyExchanges: [String] = []
    }

    static func config(_ input: Input) throws -> MachineConfig {
        let container = input.creation.config
        let sandbox = input.creation.sandbox.record
        let what = "container \(container.metadata?.name ?? "")"
        var config = MachineConfig(
            id: input.id, sandboxID: sandbox.id, boot: input.boot, credentials: input.image.credentials)
        config.guestOS = input.image.guestOS
        config.cpus = input.size.cpus
        config.memoryBytes = input.size.memoryBytes
        config.disks = input.disks
        config.shares = input.mounts.shares
        config.mounts = input.mounts.mounts
        let ports = try MachinePorts.split(
            annotations: container.annotations, sandbox: sandbox, taken: input.takenPorts, what: what)
        config.network.namespace = input.namespace
        config.network.guestPorts = ports.own
        config.network.peerPorts = ports.peers
        config.network.podAddress = input.creation.sandbox.addresses.first
        config.network.index = input.index
        if input.bridge != nil || input.isBehindHost {
            config.network.mode = input.bridge == nil ? .nat : .bridged
            config.network.interface = input.bridge
            // Where the ports of the pod's containers are brought to.
            config.network.podAddress = "127.0.0.1"
        }
        config.network.macAddress = input.hardwareAddress?.description ?? ""
        config.main = try main(container, what)
        config.naming.hostname = sandbox.hostname
        config.naming.nameServers = sandbox.dns?.servers ?? []
        config.naming.searchDomains = sandbox.dns?.searches ?? []
        config.naming.resolverOptions = sandbox.dns?.options ?? []
        config.naming.hosts = input.hosts
        config.kernelSettings = try kernelSettings(sandbox, what)
        config.logPath = input.creation.logPath
        config.cgroupParent = sandbox.cgroupParent
        input.wishes.apply(to: &config)
        config.readinessTimeout = input.readinessTimeout
        config.dialTimeout = input.dialTimeout
        config.keyExchanges = input.keyExchanges.isEmpty ? nil : input.keyExchanges
        if let file = input.mounts.terminationFile, let path = container.annotations[terminationPath] {
            config.terminationMessageFile = file
            config.terminationMessagePath = path
        }
        return config
    }

    /// The guest has a kernel of its own: what the pod asks of the kernel is asked of that one. nil for none.
    private static func kernelSettings(_ sandbox: SandboxRecord, _ what: String) throws -> [String: String]? {
        var settings: [String: String] = [:]
        for (name, value) in sandbox.sysctls {
            guard !value.contains("\0") else {
                throw ShimError(.invalidArgument, "\(what): the value of the kernel setting \(name) is no text")
            }
            settings[try KernelSettings.relativePath(name)] = value
        }
        return settings.isEmpty ? nil : settings
    }

    private static func main(_ container: CRI.ContainerConfig, _ what: String) throws -> MachineConfig.Main {
        var main = MachineConfig.Main()
        // A machine's image has no entry point of its own.
        main.command = container.command + container.args
        for variable in container.envs {
            guard let value = String(validating: variable.value, as: UTF8.self), !value.contains("\0"),
                !variable.key.isEmpty, !variable.key.contains("=")
            else {
                throw ShimError(
                    .unsupported,
                    "\(what): the variable \(variable.key) is no UTF-8 text, which a guest cannot be given")
            }
            main.environment[variable.key] = value
        }
        if !container.workingDir.isEmpty, !container.workingDir.hasPrefix("/") {
            throw ShimError(.invalidArgument, "\(what): the working directory \(container.workingDir) must be absolute")
        }
        main.workingDirectory = container.workingDir
        main.tty = container.tty
        main.stdin = container.stdin
        main.stdinOnce = container.stdinOnce
        return main
    }

    /// - Throws: `unsupported` for what no machine can have.
    static func refuseUnsupported(_ container: CRI.ContainerConfig) throws {
        let name = container.metadata?.name ?? ""
        guard container.cDIDevices.isEmpty, container.devices.isEmpty else {
            throw ShimError(
                .unsupported, "container \(name) asks for devices of the host, which a virtual machine cannot be given")
        }
        let options = container.linux?.securityContext?.namespaceOptions
        if let options, options.pid == .target {
            throw ShimError(
                .unsupported,
                "container \(name) asks for another container's process namespace, which a virtual machine cannot join")
        }
    }
}
