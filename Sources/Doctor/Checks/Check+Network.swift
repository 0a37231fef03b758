import Sockets

extension Check {
    static let networkChecks = [
        Check("network tools") { host, subject in
            // Without root, machines and containers use what is there already.
            guard host.system == .linux, host.userID == 0 else { return [] }
            var missing: [(program: String, package: String)] = []
            for (program, package) in [("ip", "iproute2"), ("iptables", "iptables")] {
                if case .missing = await host.run(program, ["--version"]) { missing.append((program, package)) }
            }
            guard missing.isEmpty else {
                return [
                    .failure(
                        "there is no \(missing.map(\.program).joined(separator: " and no ")): pods get no network of their own",
                        fix: "apt install \(missing.map(\.package).joined(separator: " "))")
                ]
            }
            return [.ok("ip and iptables")]
        },
        Check("bridge") { host, subject in
            guard let bridge = subject.bridgeInterface else { return [] }
            switch host.system {
            case .linux:
                guard await host.look(at: "/sys/class/net/\(bridge)") != nil else {
                    return [
                        .failure(
                            "there is no interface \(bridge) (VZ_BRIDGE_INTERFACE)",
                            fix:
                                "ip link add \(bridge) type bridge && ip link set \(bridge) up, or name one of: ip -br link"
                        )
                    ]
                }
                guard await host.look(at: "/sys/class/net/\(bridge)/bridge") != nil else {
                    return [
                        .failure(
                            "\(bridge) (VZ_BRIDGE_INTERFACE) is no bridge: machines cannot join it",
                            fix: "ip link add br0 type bridge && ip link set \(bridge) master br0, and name br0")
                    ]
                }
                let state = await host.text(of: "/sys/class/net/\(bridge)/operstate")?.trimmed ?? ""
                guard state != "down" else {
                    return [.failure("\(bridge) (VZ_BRIDGE_INTERFACE) is down", fix: "ip link set \(bridge) up")]
                }
            case .macOS:
                guard await host.output("ifconfig", [bridge]) != nil else {
                    return [
                        .failure(
                            "there is no interface \(bridge) (VZ_BRIDGE_INTERFACE)",
                            fix: "name one of: networksetup -listallhardwareports")
                    ]
                }
            }
            return [.ok("\(bridge) is there")]
        },
        Check("vpn") { host, subject in
            switch host.system {
            case .linux: await linuxVPN(host)
            case .macOS: await macVPN(host)
            }
        },
    ]

    private static let tunnels = ["tun", "wg", "ppp", "utun", "ipsec", "tailscale"]

    private static func isTunnel(_ interface: some StringProtocol) -> Bool {
        tunnels.contains { interface.hasPrefix($0) }
    }

    private static func linuxVPN(_ host: any Host) async -> [Verdict] {
        let routes = await host.text(of: "/proc/net/route") ?? ""
        for line in routes.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count > 7, fields[1] == "00000000", isTunnel(fields[0]) else { continue }
            return [
                .warning(
                    "everything leaves this host through the tunnel \(fields[0]): guests on a bridge may have no network, and "
                        + "pods' addresses may be routed away",
                    fix:
                        "exclude the pods' range and the bridge's from the tunnel, or disconnect it: ip link set \(fields[0]) down"
                )
            ]
        }
        return [.ok("no tunnel takes what leaves this host")]
    }

    private static func macVPN(_ host: any Host) async -> [Verdict] {
        let connected = (await host.output("scutil", ["--nc", "list"]) ?? "").split(separator: "\n")
            .first { $0.contains("(Connected)") }
        let interface = (await host.output("route", ["-n", "get", "default"]) ?? "").value(of: "interface:") ?? ""
        guard connected != nil || isTunnel(interface) else { return [.ok("none is connected")] }
        let name = connected?.split(separator: "\"").dropFirst().first.map(String.init) ?? interface
        return [
            .warning(
                "the VPN \(name) is connected: guests behind NAT may have no network or none to it",
                fix: "leave 192.168.64.0/24 out of it (split tunnel), or disconnect it: scutil --nc stop \"\(name)\"")
        ]
    }
}

extension StringProtocol {
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace ?? false { rest = rest.dropFirst() }
        while rest.last?.isWhitespace ?? false { rest = rest.dropLast() }
        return String(rest)
    }

    /// What follows a word on the first line that has it.
    func value(of word: String) -> String? {
        for line in split(separator: "\n") {
            guard let range = line.firstRange(of: word) else { continue }
            return line[range.upperBound...].trimmed
        }
        return nil
    }
}
