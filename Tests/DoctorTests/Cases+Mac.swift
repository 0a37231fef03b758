@testable import Doctor

extension Case {
    static let macOnly: [Case] = [
        .mac("macos", "a Mac", .ok, "macOS 15.6.1"),
        .mac("macos", "an old system", .failure, "14.7 is too old", fix: "softwareupdate") { host, _ in
            host.says("sw_vers -productVersion", "14.7\n")
        },
        .mac("macos", "an Intel Mac", .failure, "Intel", fix: "Apple silicon") { host, _ in
            host.programs["sysctl -n hw.optional.arm64"] = .ended(code: 1, output: "", errors: "unknown oid")
        },
        .mac("macos", "under Rosetta", .failure, "Rosetta", fix: "arch -arm64") { host, _ in
            host.says("sysctl -n sysctl.proc_translated", "1\n")
        },
        .linux("macos", "Linux is none", nil),
        .mac("virtualization", "offered", .ok),
        .mac("virtualization", "forbidden", .failure, "kern.hv_support", fix: "profile") { host, _ in
            host.says("sysctl -n kern.hv_support", "0\n")
        },
        .mac("virtualization", "in a guest", .failure, "virtual machine itself", fix: "M3") { host, _ in
            host.says("sysctl -n kern.hv_support", "0\n")
            host.says("sysctl -n kern.hv_vmm_present", "1\n")
        },
        .mac("entitlements", "signed", .ok),
        .mac("entitlements", "not signed", .failure, "not signed", fix: "make sign") { host, _ in
            host.programs["codesign"] = .ended(code: 1, output: "", errors: "code object is not signed at all")
        },
        .mac(
            "entitlements", "signed without the right", .failure, "com.apple.security.virtualization", fix: "make sign"
        ) {
            host, _ in host.says("codesign", "<plist><dict/></plist>")
        },
        .mac(
            "entitlements", "a bridge without the right", .failure, "com.apple.vm.networking",
            fix: "VZ_BRIDGE_INTERFACE"
        ) {
            $1.bridgeInterface = "en0"
        },
        .mac("host slots", "one of ours", .ok, "1 of 2"),
        .mac("host slots", "other programs' machines", .warning, "1 of 2 slots", fix: "ps -axo") { host, _ in
            host.says("ps -axo comm=", "\(FakeHost.machineProcess)\n")
        },
        .mac("host slots", "a leaked slot", .failure, "leaked", fix: "shutdown -r now") { host, _ in
            host.texts["/data/machines/1f/exit.json"] =
                #"{"exitCode":128,"finishedAt":1799995000000000000,"message":"The number of virtual machines exceeds the limit."}"#
        },
        .mac("host slots", "a leaked slot, in the engine's own words", .failure, "leaked", fix: "shutdown -r now") {
            host, _ in
            host.texts["/data/machines/1f/exit.json"] =
                #"{"exitCode":128,"finishedAt":1799995000000000000,"message":"macOS runs two macOS guests at a time at most"}"#
        },
        .mac("host slots", "a slot that was leaked before the restart", .ok) { host, _ in
            host.texts["/data/machines/1f/exit.json"] =
                #"{"exitCode":128,"finishedAt":1799980000000000000,"message":"The number of virtual machines exceeds the limit."}"#
        },
        .mac("sleep", "a Mac that stays awake", .ok),
        .mac("sleep", "a Mac that sleeps", .failure, "after 10 min", fix: "sudo pmset -a sleep 0") { host, _ in
            host.says("pmset -g", FakeHost.powerSettings(sleep: 10, disksleep: 0, autorestart: 1))
        },
        .mac("sleep", "disks that sleep", .warning, "disks", fix: "disksleep 0") { host, _ in
            host.says("pmset -g", FakeHost.powerSettings(sleep: 0, disksleep: 10, autorestart: 1))
        },
        .mac("sleep", "a Mac that stays off", .warning, "power failure", fix: "autorestart 1") { host, _ in
            host.says("pmset -g", FakeHost.powerSettings(sleep: 0, disksleep: 0, autorestart: 0))
        },
        .mac("login", "automatic login", .ok, "ci is logged in"),
        .mac("login", "FileVault", .warning, "FileVault is on", fix: "fdesetup authrestart") { host, _ in
            host.says("fdesetup status", "FileVault is On.\n")
        },
        .mac(
            "login", "no automatic login", .warning, "nobody is logged in",
            fix: "sysadminctl -autologin set -userName me"
        ) {
            host, _ in
            host.programs["defaults read /Library/Preferences/com.apple.loginwindow autoLoginUser"] =
                .ended(code: 1, output: "", errors: "does not exist")
        },
        .mac("keychain", "an open keychain", .ok),
        .mac("keychain", "one that locks itself", .warning, "locks itself", fix: "set-keychain-settings") { host, _ in
            host.says("security", "", errors: "Keychain \"x\" lock-on-sleep timeout=300s\n")
        },
        .mac("keychain", "a locked one", .failure, "is locked", fix: "security unlock-keychain") { host, _ in
            host.programs["security"] = .ended(code: 36, output: "", errors: "User interaction is not allowed.")
        },
        .mac("local network", "a neighbour that answers", .ok, "192.168.1.1"),
        .mac("local network", "a neighbour that drops", .ok, "drops") { host, _ in
            host.connections["tcp://192.168.1.1:53"] = .late
        },
        .mac("local network", "forbidden", .failure, "does not let", fix: "Local Network") { host, _ in
            host.connections["tcp://192.168.1.1:53"] = .unreachable
        },
        .mac("local network", "a neighbour that is not there", .warning, "does not answer", fix: "cable") { host, _ in
            host.connections["tcp://192.168.1.1:53"] = .unreachable
            host.says("arp -n 192.168.1.1", "? (192.168.1.1) at (incomplete) on en0 ifscope [ethernet]\n")
        },
        .mac("local network", "no network at all", nil) { host, _ in
            host.programs["route -n get default"] = .ended(code: 1, output: "", errors: "not in table")
        },
        .mac("dhcp pool", "few leases", .ok, "3 of 253"),
        .mac("dhcp pool", "many leases", .warning, "200 of 253", fix: "DHCPLeaseTimeSecs") { host, _ in
            host.texts["/var/db/dhcpd_leases"] = FakeHost.leases(200, until: 1_800_000_100)
        },
        .mac("dhcp pool", "no address left", .failure, "250 of 253", fix: "rm /var/db/dhcpd_leases") { host, _ in
            host.texts["/var/db/dhcpd_leases"] = FakeHost.leases(250, until: 1_800_000_100)
        },
        .mac("dhcp pool", "leases that are over", .ok, "0 of 253") { host, _ in
            host.texts["/var/db/dhcpd_leases"] = FakeHost.leases(250, until: 1_799_999_999)
        },
        .mac("dhcp pool", "a small network", .failure, "13 of 13", fix: "rm") { host, _ in
            host.texts["/var/db/dhcpd_leases"] = FakeHost.leases(13, until: 1_900_000_000)
            host.says(
                "defaults read /Library/Preferences/SystemConfiguration/com.apple.vmnet.plist Shared_Net_Mask",
                "255.255.255.240\n")
        },
        .mac("vpn", "none", .ok),
        .mac("vpn", "a VPN", .warning, "Office", fix: "scutil --nc stop \"Office\"") { host, _ in
            host.says("scutil --nc list", "* (Connected)   1234 IPSec \"Office\" [IPSec]\n")
        },
        .mac("vpn", "a tunnel as the way out", .warning, "utun3", fix: "192.168.64.0/24") { host, _ in
            host.says("route -n get default", "gateway: 10.0.0.1\n interface: utun3\n")
        },
    ]
}
