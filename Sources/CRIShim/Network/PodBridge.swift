import Logging
import Synchronization

/// The shim's own bridge: the device, the range of addresses behind it, and the rules that let pods out and host ports
/// in. It is there while a sandbox uses it.
final class PodBridge: Sendable {
    let names: NetworkNames
    private let rules: FirewallRules
    private let configured: IPv4Range?
    /// Remembers the range.
    private let rangeFile: String
    private let logger: Logger
    /// Changes do not overlap.
    private let serial = KeyedSerial()

    private struct State {
        var users: Set<String> = []
        var range: IPv4Range?
        var mtu = 1500
        /// nil when it is not known which the kernel has.
        var mappings: [FirewallRules.Mapping]? = []
        /// When the rules were last known to be there.
        var rulesSeen: ContinuousClock.Instant?
    }
    private let state = Mutex(State())

    /// Somebody may have thrown away all rules: looked after at the next pod, this long after the last look.
    static let rulesAge = Duration.seconds(30)

    /// - Throws: `invalidArgument` for a range that is none.
    init(names: NetworkNames, podCIDR: String?, directory: String, logger: Logger) throws {
        self.names = names
        rules = FirewallRules(names: names)
        rangeFile = directory + "/range"
        self.logger = logger
        configured = try podCIDR.map { text in
            guard let range = IPv4Range(text), range.podAddresses.count >= 4 else {
                throw ShimError(
                    .invalidArgument, "podCIDR \"\(text)\" is no IPv4 range with room for pods, as 10.90.0.0/24 is")
            }
            return range
        }
    }

    var mtu: Int { state.withLock { $0.mtu } }

    /// Makes sure that the bridge and its rules are there, until ``leave(_:)``.
    func join(_ sandbox: String) async throws -> IPv4Range {
        state.withLock { _ = $0.users.insert(sandbox) }
        do {
            // Bridge and rules are made as a whole, also for a caller that gives up.
            return try await Task { [self] in try await serial.run("") { try await ensure() } }.value
        } catch {
            await leave(sandbox)
            throw error
        }
    }

    /// Takes bridge and rules away with the last user. Nothing to do for who is none.
    func leave(_ sandbox: String) async {
        await Task { [self] in await removeIfUnused { $0.remove(sandbox) != nil } }.value
    }

    private func removeIfUnused(_ change: @Sendable (inout Set<String>) -> Bool) async {
        await serial.run("") {
            let isLast = state.withLock { change(&$0.users) && $0.users.isEmpty }
            guard isLast else { return }
            do {
                try await remove()
            } catch {
                logger.warning(
                    "the pods' bridge could not be removed; it stays until the next pod has come and gone",
                    metadata: ["bridge": "\(names.bridge)", "error": "\(error)"])
            }
        }
    }

    /// Makes host ports lead to the pods that `mappings` says when its turn has come, and to no others.
    func publish(_ mappings: @escaping @Sendable () -> [FirewallRules.Mapping]) async throws {
        try await Task { [self] in
            try await serial.run("") {
                let wanted = mappings()
                let (range, old) = state.withLock { ($0.range, $0.mappings) }
                guard let range, old != wanted else { return }
                try await applyRules(range, wanted)
            }
        }.value
    }

    /// What a shim that is no more left, if nobody uses it.
    func removeLeftovers() async {
        let isThere = try? await RootDirectory.offload { [names] in try SystemNetwork.hasDevice(names.bridge) }
        if isThere != false { await removeIfUnused { _ in true } }
    }

    // MARK: Under the serial

    private func ensure() async throws -> IPv4Range {
        let isThere = try await RootDirectory.offload { [names] in try SystemNetwork.hasDevice(names.bridge) }
        var range = state.withLock { $0.range }
        if range == nil || !isThere {
            range = try await makeDevice(isThere: isThere)
            state.withLock { $0.rulesSeen = nil }
        }
        let seen = state.withLock { $0.rulesSeen }
        if seen.map({ .now - $0 > Self.rulesAge }) ?? true {
            try await applyRules(range!, state.withLock { $0.mappings ?? [] })
        }
        return range!
    }

    private func makeDevice(isThere: Bool) async throws -> IPv4Range {
        let routes = try await SystemNetwork.routes()
        let device = routes.first { $0.isDefault }?.dev
        let mtu = try await RootDirectory.offload { try device.flatMap { try SystemNetwork.mtu(of: $0) } ?? 1500 }
        let remembered = try await remembered()
        if isThere, let remembered {
            // From before a restart of this program.
            state.withLock { ($0.range, $0.mtu) = (remembered, mtu) }
            return remembered
        }
        if isThere { try await SystemNetwork.ip(["link del \(names.bridge)"]) }
        for _ in 0..<8 {
            let taken = try await SystemNetwork.routes().filter { !$0.isDefault }.compactMap { IPv4Range($0.dst) }
            let range = try choose(remembered, taken)
            try await RootDirectory.offload { [rangeFile] in
                try PodNetworkRecords.write(Array("\(range)\n".utf8), to: rangeFile)
            }
            try await make(range, mtu: mtu)
            if try await isAlone(range) {
                state.withLock { ($0.range, $0.mtu) = (range, mtu) }
                logger.info("pods' bridge made", metadata: ["bridge": "\(names.bridge)", "range": "\(range)"])
                return range
            }
            try await SystemNetwork.ip(["link del \(names.bridge)"])
        }
        throw ShimError(.exhausted, "no address range stayed free long enough for pods: configure podCIDR")
    }

    private func choose(_ remembered: IPv4Range?, _ taken: [IPv4Range]) throws -> IPv4Range {
        if let configured { return configured }
        if let remembered, !taken.contains(where: remembered.overlaps) { return remembered }
        var random = SystemRandomNumberGenerator()
        guard let free = IPv4Range.free(avoiding: taken, using: &random) else {
            throw ShimError(.exhausted, "no private /24 is free for pods on this host: configure podCIDR")
        }
        return free
    }

    private func make(_ range: IPv4Range, mtu: Int) async throws {
        let bridge = names.bridge
        try await SystemNetwork.ip([
            "link add name \(bridge) address \(names.bridgeAddress) mtu \(mtu) type bridge",
            "addr add \(range.gateway)/\(range.prefix) dev \(bridge)",
            "link set \(bridge) up",
        ])
        let links = try await RootDirectory.offload { [names] in
            try KernelSettings.set("net.ipv4.ip_forward", to: "1")
            try KernelSettings.set("net/ipv4/conf/\(bridge)/route_localnet", to: "1")
            // Pods must not give the host routes.
            do {
                try KernelSettings.set("net/ipv6/conf/\(bridge)/accept_ra", to: "0")
            } catch let error as ShimError where error.code == .unsupported {  // no IPv6
            }
            return try RootDirectory.entries(of: "/sys/class/net").filter(names.isLink)
        }
        // Cables of pods that have lost the bridge they were on.
        if !links.isEmpty { try await SystemNetwork.ip(links.map { "link set \($0) master \(bridge)" }, force: true) }
    }

    /// Whether nobody chose the same range at the same moment. Of two shims that did, one stays.
    private func isAlone(_ range: IPv4Range) async throws -> Bool {
        guard configured == nil else { return true }
        return try await SystemNetwork.routes().allSatisfy { route in
            guard !route.isDefault, let device = route.dev, device != names.bridge,
                let other = IPv4Range(route.dst), other.overlaps(range)
            else { return true }
            return device.hasPrefix("vzcri") && names.bridge < device
        }
    }

    private func remembered() async throws -> IPv4Range? {
        if let configured { return configured }
        return try await RootDirectory.offload { [rangeFile] in
            try RootDirectory.read(rangeFile).flatMap { bytes in
                IPv4Range(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
            }
        }
    }

    private func applyRules(_ range: IPv4Range, _ mappings: [FirewallRules.Mapping]) async throws {
        state.withLock { $0.mappings = nil }
        let saved = try await SystemNetwork.savedRules()
        try await SystemNetwork.changeRules(rules.installation(range: range, mappings: mappings, over: saved))
        state.withLock { ($0.mappings, $0.rulesSeen) = (mappings, .now) }
    }

    private func remove() async throws {
        let names = self.names
        state.withLock { ($0.mappings, $0.rulesSeen, $0.range) = ([], nil, nil) }
        if let text = rules.removal(from: try await SystemNetwork.savedRules()) {
            try await SystemNetwork.changeRules(text)
        }
        if try await RootDirectory.offload({ try SystemNetwork.hasDevice(names.bridge) }) {
            try await SystemNetwork.ip(["link del \(names.bridge)"])
        }
    }
}
