/// What the packet filter is told, as text for `iptables-restore --noflush`. Our rules stand in chains of our own, which
/// each text replaces as a whole; a jump from each of the system's chains leads there. Nobody else's rule is touched.
struct FirewallRules: Sendable {
    struct Mapping: Sendable, Hashable {
        var sandbox: String
        var address: IPv4Address
        var port: PodNetwork.Port
    }

    private struct Jump {
        var table: String
        var from: String
        var condition: String
        var to: NetworkNames.Chain
    }

    let names: NetworkNames

    private static let jumps = [
        Jump(table: "nat", from: "PREROUTING", condition: "-m addrtype --dst-type LOCAL ", to: .ports),
        Jump(table: "nat", from: "OUTPUT", condition: "-m addrtype --dst-type LOCAL ", to: .ports),
        Jump(table: "nat", from: "POSTROUTING", condition: "", to: .leaving),
        Jump(table: "filter", from: "FORWARD", condition: "", to: .forward),
        Jump(table: "filter", from: "INPUT", condition: "", to: .input),
    ]
    private static let tables: [(name: String, chains: [NetworkNames.Chain])] = [
        ("nat", [.ports, .leaving]), ("filter", [.forward, .input]),
    ]

    /// - Parameter saved: what `iptables-save` says now.
    func installation(range: IPv4Range, mappings: [Mapping], over saved: String) -> String {
        let present = Set(saved.split(separator: "\n").filter { $0.hasPrefix("-A ") })
        return text { table, chains in
            var lines = chains.map { ":\(names.chain($0)) - [0:0]" }
            lines += rules(in: table, range, mappings)
            for jump in Self.jumps where jump.table == table {
                let rule = "\(jump.from) \(jump.condition)-j \(names.chain(jump.to))"
                // First, whatever drops packets further down: Docker's policy, for one.
                if !present.contains("-A \(rule)") {
                    lines.append("-I \(jump.from) 1 \(jump.condition)-j \(names.chain(jump.to))")
                }
            }
            return lines
        }
    }

    /// nil when there is nothing of ours.
    func removal(from saved: String) -> String? {
        let lines = saved.split(separator: "\n")
        let ours = Set(NetworkNames.Chain.allCases.map(names.chain))
        guard ours.contains(where: { saved.contains($0) }) else { return nil }
        var table = ""
        var jumps: [String: [String]] = [:]
        var chains: Set<Substring> = []
        for line in lines {
            if line.hasPrefix("*") { table = String(line.dropFirst()) }
            if line.hasPrefix(":"), let name = line.dropFirst().split(separator: " ").first { chains.insert(name) }
            if line.hasPrefix("-A "), let target = line.split(separator: " ").last, ours.contains(String(target)) {
                jumps[table, default: []].append("-D " + line.dropFirst("-A ".count))
            }
        }
        return text { table, mine in
            let mine = mine.map(names.chain).filter { chains.contains(Substring($0)) }
            return mine.map { ":\($0) - [0:0]" } + jumps[table, default: []] + mine.map { "-X \($0)" }
        }
    }

    private func text(_ body: (String, [NetworkNames.Chain]) -> [String]) -> String {
        Self.tables.map { (["*\($0.name)"] + body($0.name, $0.chains) + ["COMMIT", ""]).joined(separator: "\n") }
            .joined()
    }

    private func rules(in table: String, _ range: IPv4Range, _ mappings: [Mapping]) -> [String] {
        let bridge = names.bridge
        guard table == "nat" else {
            let (forward, input) = (names.chain(.forward), names.chain(.input))
            return [
                "-A \(forward) -i \(bridge) -j ACCEPT",
                "-A \(forward) -o \(bridge) -j ACCEPT",
                // Host ports on 127.0.0.1 need the bridge to carry such addresses; pods must not reach the host's own by it.
                "-A \(input) -i \(bridge) -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP",
            ]
        }
        let (ports, leaving) = (names.chain(.ports), names.chain(.leaving))
        var lines = ["-A \(leaving) -s \(range) ! -o \(bridge) -j MASQUERADE"]
        if !mappings.isEmpty {
            lines += [
                // Pods that come by a host port, and the host that comes by 127.0.0.1: answers must take the same way back.
                "-A \(leaving) -s \(range) -d \(range) -m conntrack --ctstate DNAT -j MASQUERADE",
                "-A \(leaving) -s 127.0.0.0/8 -o \(bridge) -j MASQUERADE",
            ]
        }
        // Those of one address before those of every address.
        for mapping in mappings.sorted(by: Self.isBefore) {
            let port = mapping.port
            let destination = port.hostAddress.map { "-d \($0)/32 " } ?? ""
            lines.append(
                "-A \(ports) \(destination)-p \(port.transport) -m \(port.transport) --dport \(port.hostPort) "
                    + "-m comment --comment \(mapping.sandbox.prefix(12)) "
                    + "-j DNAT --to-destination \(mapping.address):\(port.podPort)")
        }
        return lines
    }

    private static func isBefore(_ left: Mapping, _ right: Mapping) -> Bool {
        let (one, other) = (left.port, right.port)
        if (one.hostAddress == nil) != (other.hostAddress == nil) { return one.hostAddress != nil }
        return (one.hostPort, left.sandbox) < (other.hostPort, right.sandbox)
    }
}
