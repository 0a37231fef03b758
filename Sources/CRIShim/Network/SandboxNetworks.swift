import Logging
import Processes

/// Networks that the shim itself gives to sandboxes: one namespace per sandbox, which virtual machines and containers
/// share. What is made is on disk before it is made, so that nothing is lost track of, whenever this process ends.
protocol SandboxNetworks: Sendable {
    /// Whether pods of containers only are to have their network from here too, as with CNI plugins: else an engine's own
    /// is as good. Looked at anew for each pod.
    func wantsEveryPod() async throws -> Bool

    /// Gives a new sandbox its network. For a sandbox that has one: that one. Leaves nothing behind when it throws or is
    /// cancelled.
    /// - Parameter begun: told of the network once its namespace can be entered; its addresses may be missing still.
    /// - Throws: `ShimError`: `invalidArgument` for mappings that can never work, `alreadyExists` for a host port that is
    ///   taken, `exhausted` without a free address.
    func setUp(_ record: SandboxRecord, begun: @escaping @Sendable (PodNetwork) -> Void) async throws -> PodNetwork

    /// What ``setUp(_:)`` made and ``tearDown(sandbox:)`` has not undone, as long as it is there: nil after a restart of
    /// the host.
    func network(of id: String) async throws -> PodNetwork?

    /// Undoes ``setUp(_:)``, also one that a crash interrupted. Nothing to do: succeeds. After an error it can be repeated.
    func tearDown(sandbox id: String) async throws

    /// At start: removes what is left of sandboxes that are no more, and puts right what surrounds those that live
    /// (bridge, rules, host ports). Networks that a restart of the host ended are not made again.
    /// - Parameter known: every sandbox there is.
    func adopt(known sandboxIDs: Set<String>) async throws
}

extension SandboxNetworks {
    func wantsEveryPod() async throws -> Bool { false }
    func setUp(_ record: SandboxRecord) async throws -> PodNetwork { try await setUp(record) { _ in } }
}

/// A sandbox's network.
struct PodNetwork: Codable, Sendable, Hashable {
    static let schema = 1

    enum Kind: String, Codable, Sendable {
        /// The host's own.
        case host
        /// A namespace on the shim's bridge.
        case bridge
        /// A namespace that CNI plugins connected.
        case cni
    }

    struct Port: Codable, Sendable, Hashable {
        enum Transport: String, Codable, Sendable { case tcp, udp, sctp }
        var transport: Transport
        /// nil is every address of the host.
        var hostAddress: IPv4Address?
        var hostPort: Int
        var podPort: Int
    }

    var schema = Self.schema
    var sandbox: String
    var kind: Kind
    /// The namespace's file; nil on the host's network.
    var namespace: String?
    /// The first is the pod's. Empty when the host has none that others could use.
    var addresses: [String] = []
    /// Host ports that lead to the pod, where the shim's own rules do that.
    var ports: [Port] = []
    /// Whether everything the record describes was made.
    var isComplete = false
    /// The host's end of the pod's cable, on the shim's bridge.
    var link: String?
    /// What the plugins were given, for the DEL that mirrors it.
    var cni: CNIAttachment?

    init(sandbox: String, kind: Kind) {
        self.sandbox = sandbox
        self.kind = kind
    }
}

/// What can be configured about pods' networks.
struct NetworkSettings: Sendable {
    /// The range that pods on the shim's own bridge get addresses from; nil finds a free private one.
    var podCIDR: String?
    /// Network configurations in it are used instead of the bridge.
    var cniConfDir: String?
    var cniBinDir = "/opt/cni/bin"
}

enum SandboxNetworkChoice {
    /// What this host can do: namespaces where the shim may make them, else the host's own network.
    /// - Parameters:
    ///   - root: a directory that outlives restarts of the host.
    ///   - state: one that need not.
    static func make(
        root: String, state: String, instance: String, settings: NetworkSettings, logger: Logger
    ) throws -> any SandboxNetworks {
        guard NetworkNamespace.isPossible else { return HostNetworks() }
        return try NamespacedNetworks(
            root: root, state: state, instance: instance, settings: settings, logger: logger)
    }
}
