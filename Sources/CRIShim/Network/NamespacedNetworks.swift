import Logging
import Processes
import Synchronization

/// A network namespace for every sandbox: connected by CNI plugins when they are configured, else by a cable to the
/// shim's own bridge, from which the host's address translation leads on.
final class NamespacedNetworks: SandboxNetworks {
    let logger: Logger
    let names: NetworkNames
    let bridge: PodBridge
    let records: PodNetworkRecords
    let hostPorts = HostPorts()
    let cni: CNIPlugins?
    /// Where the namespaces' files are.
    let namespaces: String
    /// Changes to one sandbox do not overlap.
    private let serial = KeyedSerial()

    struct State {
        /// Everything that is on disk.
        var networks: [String: PodNetwork] = [:]
        var pool: AddressPool?
    }
    let state: Mutex<State>

    /// - Throws: `invalidArgument` for settings that can never work; `newerRecord`, `corruptRecord`.
    init(root: String, state: String, instance: String, settings: NetworkSettings, logger: Logger) throws {
        self.logger = logger
        let directory = root + "/network"
        records = try PodNetworkRecords(directory: directory)
        names = NetworkNames(instance: instance)
        bridge = try PodBridge(names: names, podCIDR: settings.podCIDR, directory: directory, logger: logger)
        namespaces = state + "/netns"
        try RootDirectory.makeDirectory(namespaces, mode: 0o755)
        cni = settings.cniConfDir.map {
            CNIPlugins(configurations: $0, binaries: settings.cniBinDir, logger: logger)
        }
        let networks = try records.load()
        self.state = Mutex(State(networks: Dictionary(networks.map { ($0.sandbox, $0) }) { $1 }))
    }

    func wantsEveryPod() async throws -> Bool { try await cni?.load() != nil }

    func setUp(_ record: SandboxRecord, begun: @escaping @Sendable (PodNetwork) -> Void) async throws -> PodNetwork {
        try await serial.run(record.id) {
            if let present = try await live(record.id) {
                begun(present)
                return present
            }
            try Task.checkCancellation()
            // What a crash or a restart of the host left under this id.
            try await undoShielded(record.id)
            do {
                let network = try await make(record, begun)
                try Task.checkCancellation()
                return network
            } catch {
                do {
                    try await undoShielded(record.id)
                } catch let cleanUp {
                    logger.error(
                        "a network that could not be made could not be removed either; the next start will",
                        metadata: ["sandbox": "\(record.id)", "error": "\(cleanUp)"])
                }
                throw error
            }
        }
    }

    func network(of id: String) async throws -> PodNetwork? { try await live(id) }

    func tearDown(sandbox id: String) async throws {
        try await serial.run(id) { try await undoShielded(id) }
    }

    /// Not stopped half-way when the caller goes away.
    private func undoShielded(_ id: String) async throws {
        try await Task { [self] in try await undo(id) }.value
    }

    private func live(_ id: String) async throws -> PodNetwork? {
        guard let network = state.withLock({ $0.networks[id] }), network.isComplete else { return nil }
        guard let namespace = network.namespace else { return HostNetworks.network(id) }
        return try await RootDirectory.offload { NetworkNamespace.exists(at: namespace) } ? network : nil
    }

    /// On disk first, then in the kernel.
    private func note(_ network: PodNetwork) async throws {
        try await records.save(network)
        state.withLock { $0.networks[network.sandbox] = network }
    }

    // MARK: Making

    private func make(
        _ record: SandboxRecord, _ begun: @Sendable (PodNetwork) -> Void
    ) async throws -> PodNetwork {
        if record.namespaces.network == 2 {
            let network = HostNetworks.network(record.id)
            try await note(network)
            return network
        }
        let start = ContinuousClock.now
        let ports = try HostPorts.ports(of: record)
        var network: PodNetwork
        if let plugins = try await cni?.load() {
            network = try await connect(record, ports, by: plugins, begun)
        } else {
            network = try await connect(record, ports, begun)
        }
        let namespace = network.namespace!
        let settings = KernelSettings.ofNetwork(record.sysctls)
        try await NetworkNamespace.run(in: namespace) { try Self.apply(settings) }
        network.isComplete = true
        try await note(network)
        logger.debug(
            "pod network made",
            metadata: [
                "sandbox": "\(record.id)", "address": "\(network.addresses.first ?? "")",
                "took": "\(ContinuousClock.now - start)",
            ])
        return network
    }

    /// Inside the namespace, on a thread of its own.
    private static func apply(_ settings: [String: String]) throws {
        // As container engines have it: nothing but the pod can use its low ports, and ping needs no privilege.
        let usual = ["net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"]
        for (name, value) in usual where settings[name] == nil {
            // Absent in kernels older than the setting; a user namespace may have fewer groups.
            do { try KernelSettings.set(name, to: value) } catch let error as ShimError
                where error.code == .unsupported || error.code == .invalidArgument
            {
            }
        }
        for (name, value) in settings { try KernelSettings.set(name, to: value) }
    }

    private func file(of id: String) -> String { "\(namespaces)/\(id)" }

    /// By the shim's own bridge.
    private func connect(
        _ record: SandboxRecord, _ ports: [PodNetwork.Port], _ begun: @Sendable (PodNetwork) -> Void
    ) async throws -> PodNetwork {
        try await hostPorts.hold(ports, for: record.id)
        let range = try await bridge.join(record.id)
        let address = try state.withLock { try $0.lease(in: range, to: record.id) }
        let link = names.link(of: record.id)
        var network = PodNetwork(sandbox: record.id, kind: .bridge)
        network.namespace = file(of: record.id)
        network.addresses = [address.description]
        network.ports = ports
        network.link = link
        try await note(network)
        try await NetworkNamespace.make(at: file(of: record.id))
        begun(network)
        let mtu = bridge.mtu
        var commands = [
            "link add name \(link) mtu \(mtu) master \(names.bridge) type veth peer name eth0 mtu \(mtu) "
                + "address \(NetworkNames.podAddress(address)) netns \"\(file(of: record.id))\"",
            "link set \(link) up",
        ]
        // The pod may come to itself by its host port.
        if !ports.isEmpty { commands.append("link set \(link) type bridge_slave hairpin on") }
        try await SystemNetwork.ip(commands)
        try await SystemNetwork.ip(
            [
                "addr add \(address)/\(range.prefix) dev eth0", "link set eth0 up",
                "route add default via \(range.gateway)",
            ], in: file(of: record.id))
        if !ports.isEmpty { try await publishPorts() }
        return network
    }

    private func connect(
        _ record: SandboxRecord, _ ports: [PodNetwork.Port], by plugins: CNIConfiguration,
        _ begun: @Sendable (PodNetwork) -> Void
    ) async throws -> PodNetwork {
        var network = PodNetwork(sandbox: record.id, kind: .cni)
        let path = file(of: record.id)
        network.namespace = path
        var attachment = CNIAttachment(configuration: plugins, pod: record)
        attachment.ports = ports
        network.cni = attachment
        try await note(network)
        if !ports.isEmpty, !plugins.canMapPorts {
            logger.warning(
                "no plugin of the CNI configuration maps ports: the pod's host ports lead nowhere",
                metadata: ["sandbox": "\(record.id)", "configuration": "\(plugins.name)"])
        }
        try await NetworkNamespace.make(at: path)
        begun(network)
        let result = try await cni!.add(attachment, sandbox: record.id, namespace: path)
        network.cni!.result = result
        network.addresses = CNIPlugins.addresses(in: result)
        guard !network.addresses.isEmpty else {
            throw ShimError(.failed, "the CNI configuration \(plugins.name) gave the pod no address")
        }
        return network
    }

    func publishPorts() async throws {
        try await bridge.publish { [self] in
            state.withLock { state in
                state.networks.values.filter { $0.kind == .bridge }.flatMap { network in
                    network.ports.compactMap { port in
                        network.addresses.first.flatMap { IPv4Address($0) }.map {
                            FirewallRules.Mapping(sandbox: network.sandbox, address: $0, port: port)
                        }
                    }
                }.sorted { ($0.sandbox, $0.port.hostPort) < ($1.sandbox, $1.port.hostPort) }
            }
        }
    }

    // MARK: Undoing

    /// Every step succeeds when there is nothing to do: after an error all are tried again.
    private func undo(_ id: String) async throws {
        let network = state.withLock { $0.networks[id] }
        if network?.kind == .bridge {
            state.withLock { $0.networks[id]?.ports = [] }
            try await publishPorts()
        }
        if let network, let attachment = network.cni, let namespace = network.namespace {
            let exists = try await RootDirectory.offload { NetworkNamespace.exists(at: namespace) }
            let plugins = cni ?? CNIPlugins(configurations: "", binaries: NetworkSettings().cniBinDir, logger: logger)
            try await plugins.delete(attachment, sandbox: id, namespace: exists ? namespace : "")
        }
        // By name, not by record: a crash may have come before it.
        let (link, file) = (names.link(of: id), file(of: id))
        if try await RootDirectory.offload({ try SystemNetwork.hasDevice(link) }) {
            try await SystemNetwork.ip(["link del \(link)"])
        }
        try await RootDirectory.offload { try NetworkNamespace.remove(file) }
        if network != nil { try await records.remove(id) }
        state.withLock { state in
            state.networks[id] = nil
            state.pool?.release(of: id)
        }
        hostPorts.release(for: id)
        await bridge.leave(id)
    }
}

extension NamespacedNetworks.State {
    /// An address that no record on disk has.
    mutating func lease(in range: IPv4Range, to sandbox: String) throws -> IPv4Address {
        if pool?.range != range {
            pool = AddressPool(range)
            for network in networks.values where network.kind == .bridge {
                for address in network.addresses.compactMap({ IPv4Address($0) }) {
                    pool!.note(address, of: network.sandbox)
                }
            }
        }
        return try pool!.take(for: sandbox)
    }
}
