import Sockets

extension Check {
    /// What keeps a Mac working while nobody sits at it.
    static let macComfortChecks = [
        Check("sleep") { host, _ in
            guard host.system == .macOS else { return [] }
            guard let text = await host.output("pmset", ["-g"]) else {
                return [.warning("pmset does not tell whether this Mac sleeps", fix: "run pmset -g")]
            }
            var verdicts: [Verdict] = []
            if let minutes = setting("sleep", in: text), minutes != 0 {
                verdicts.append(
                    .failure(
                        "this Mac sleeps after \(minutes) min, and its node is gone then", fix: "sudo pmset -a sleep 0")
                )
            }
            if let minutes = setting("disksleep", in: text), minutes != 0 {
                verdicts.append(.warning("its disks sleep after \(minutes) min", fix: "sudo pmset -a disksleep 0"))
            }
            if setting("autorestart", in: text) == 0 {
                verdicts.append(
                    .warning("it stays off after a power failure", fix: "sudo pmset -a autorestart 1"))
            }
            return verdicts.isEmpty ? [.ok("it does not sleep")] : verdicts
        },
        Check("login") { host, _ in
            guard host.system == .macOS else { return [] }
            let vault = await host.output("fdesetup", ["status"]) ?? ""
            if vault.contains("FileVault is On") {
                return [
                    .warning(
                        "FileVault is on: after a restart this Mac waits for a password, and nothing runs",
                        fix: "sudo fdesetup authrestart for planned restarts, or sudo fdesetup disable")
                ]
            }
            let user =
                await host.output(
                    "defaults", ["read", "/Library/Preferences/com.apple.loginwindow", "autoLoginUser"])?.trimmed ?? ""
            guard !user.isEmpty else {
                return [
                    .warning(
                        "nobody is logged in after a restart, and user agents do not run then",
                        fix:
                            "sudo sysadminctl -autologin set -userName \(host.environment["USER"] ?? "NAME") -password -"
                    )
                ]
            }
            return [.ok("\(user) is logged in after a restart")]
        },
        Check("keychain") { host, _ in
            guard host.system == .macOS else { return [] }
            let path = (host.environment["HOME"] ?? "") + "/Library/Keychains/login.keychain-db"
            switch await host.run("security", ["show-keychain-info", path]) {
            case .ended(0, let output, let errors):
                let text = output + errors
                guard text.contains("no-timeout") else {
                    return [
                        .warning(
                            "the keychain \(path) locks itself after a while, and macOS guests do not start then",
                            fix: "security set-keychain-settings \(path)")
                    ]
                }
                return [.ok("unlocked, and stays so")]
            case .missing: return [.warning("there is no program security", fix: "run this on a whole macOS")]
            case .failed(let why), .ended(_, _, let why):
                return [
                    .failure(
                        "the keychain \(path) is locked, and macOS guests do not start so: \(why.trimmed)",
                        fix: "security unlock-keychain \(path)")
                ]
            }
        },
        Check("local network") { host, _ in
            guard host.system == .macOS else { return [] }
            return await localNetwork(host)
        },
        Check("dhcp pool") { host, _ in
            guard host.system == .macOS, let text = await host.text(of: "/var/db/dhcpd_leases") else { return [] }
            let mask = await host.output(
                "defaults",
                ["read", "/Library/Preferences/SystemConfiguration/com.apple.vmnet.plist", "Shared_Net_Mask"])
            let size = poolSize(mask?.trimmed ?? "255.255.255.0")
            let used = leases(in: text, at: host.now)
            let what = "\(used) of \(size) addresses for guests behind NAT are leased"
            let fix =
                "sudo defaults write /Library/Preferences/SystemConfiguration/com.apple.InternetSharing.default.plist bootpd "
                + "-dict DHCPLeaseTimeSecs -int 600; with no machine running: sudo rm /var/db/dhcpd_leases"
            if used * 20 >= size * 19 { return [.failure("\(what): new ones get none", fix: fix)] }
            if used * 10 >= size * 7 { return [.warning(what, fix: fix)] }
            return [.ok(what)]
        },
    ]

    /// ` sleep                1 (sleep prevented by coreaudiod)`
    static func setting(_ name: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count >= 2, words[0] == name { return Int(words[1]) }
        }
        return nil
    }

    /// Really dials a neighbour: what macOS does not let a program do on the local network fails at once, as if there were no
    /// way, though the neighbour has answered for its address.
    private static func localNetwork(_ host: any Host) async -> [Verdict] {
        let route = await host.output("route", ["-n", "get", "default"]) ?? ""
        guard let gateway = route.value(of: "gateway:"), gateway.contains(".") else { return [] }
        switch await host.connect(to: .tcp(host: gateway, port: 53)) {
        case .connected, .refused: return [.ok("\(gateway) can be dialled")]
        case .unreachable:
            let neighbour = await host.output("arp", ["-n", gateway]) ?? ""
            guard neighbour.contains(" at "), !neighbour.contains("incomplete") else {
                return [
                    .warning(
                        "\(gateway), the way out of here, does not answer",
                        fix: "look at cable and Wi-Fi: arp -n \(gateway)")
                ]
            }
            return [
                .failure(
                    "macOS does not let this program reach the local network: guests cannot be entered",
                    fix:
                        "System Settings, Privacy & Security, Local Network: allow it; or run the daemon as a LaunchDaemon"
                )
            ]
        case .late, .absent, .failed:
            return [.ok("\(gateway) drops what it is sent, which macOS let pass")]
        }
    }

    /// How many addresses a network with this mask has for guests.
    static func poolSize(_ mask: String) -> Int {
        let bits = mask.split(separator: ".").compactMap { UInt8($0) }.reduce(0) { $0 + $1.nonzeroBitCount }
        guard (8...30).contains(bits) else { return 253 }
        // Its own address, the Mac's, and everybody's.
        return (1 << (32 - bits)) - 3
    }

    /// Leases that have not ended: `lease=0x65f1c0de`.
    static func leases(in text: String, at now: Int64) -> Int {
        text.split(separator: "\n").count { line in
            let words = line.trimmed.split(separator: "=")
            guard words.count == 2, words[0] == "lease", words[1].hasPrefix("0x") else { return false }
            return Int64(words[1].dropFirst(2), radix: 16).map { $0 > now } ?? false
        }
    }
}
