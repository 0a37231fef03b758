@testable import Doctor

extension Case {
    static let linuxOnly: [Case] = [
        .linux("qemu", "a QEMU", .ok, "QEMU 7.2.22"),
        .linux("qemu", "no QEMU", .failure, "no qemu-system-x86_64", fix: "apt install qemu-system-x86") { host, _ in
            host.programs["qemu-system-x86_64 --version"] = .missing
        },
        .linux("qemu", "no QEMU for ARM", .failure, "no machine", fix: "qemu-system-arm") { host, _ in
            host.architecture = "arm64"
            host.programs["qemu-system-x86_64 --version"] = .missing
        },
        .linux("qemu", "an old QEMU", .warning, "QEMU 5.2.0 is older", fix: "QEMU 7") { host, _ in
            host.says("qemu-system-x86_64 --version", "QEMU emulator version 5.2.0\n")
        },
        .linux("qemu", "a broken QEMU", .failure, "ended with 127", fix: "--reinstall") { host, _ in
            host.programs["qemu-system-x86_64 --version"] = .ended(code: 127, output: "", errors: "libfoo.so not found")
        },
        .linux("qemu", "a QEMU that hangs", .failure, "too long", fix: "--reinstall") { host, _ in
            host.programs["qemu-system-x86_64 --version"] = .failed("it took too long")
        },
        .linux("qemu", "a host without machines", nil) { $1.hasNoMachines = true },
        .mac("qemu", "a Mac needs none", nil),
        .linux("kvm", "KVM that works", .ok, "a guest ran"),
        .linux("kvm", "no KVM", .warning, "no /dev/kvm", fix: "modprobe kvm_intel") { host, _ in
            host.files["/dev/kvm"] = nil
        },
        .linux("kvm", "somebody else's KVM", .warning, "not ours", fix: "usermod -aG kvm me") { host, _ in
            host.forbidden = ["/dev/kvm"]
        },
        .linux("kvm", "a KVM that does not work", .warning, "stuck", fix: "dmesg") { host, _ in
            host.kvm = .doesNotWork("the guest is stuck")
        },
        .linux("kvm", "a KVM that cannot be tried", .warning, "could not be tried", fix: "install QEMU") { host, _ in
            host.kvm = .unknown("there is no QEMU")
        },
        .linux("virtiofsd", "the program", .ok, "/usr/libexec/virtiofsd"),
        .linux("virtiofsd", "the program in PATH", .ok, "PATH") { host, _ in
            host.files["/usr/libexec/virtiofsd"] = nil
            host.says("virtiofsd --version", "virtiofsd 1.13")
        },
        .linux("virtiofsd", "no program", .warning, "no virtiofsd", fix: "apt install virtiofsd") { host, _ in
            host.files["/usr/libexec/virtiofsd"] = nil
        },
        .linux("firmware", "firmware", .ok, "/fw/code2"),
        .linux("firmware", "half a firmware", .warning, "no UEFI firmware", fix: "apt install ovmf") { host, _ in
            host.files["/fw/vars2"] = nil
        },
        .linux("network tools", "tools", .ok),
        .linux("network tools", "no tools", .failure, "no ip and no iptables", fix: "apt install iproute2 iptables") {
            host, _ in
            host.programs["ip --version"] = .missing
            host.programs["iptables --version"] = .missing
        },
        .linux("network tools", "a host without root", nil) { host, _ in host.userID = 1000 },
        .linux("bridge", "none configured", nil),
        .linux("bridge", "a bridge", .ok, "br0") { host, subject in
            subject.bridgeInterface = "br0"
            host.files["/sys/class/net/br0"] = FileFacts(.directory, mode: 0o755)
            host.files["/sys/class/net/br0/bridge"] = FileFacts(.directory, mode: 0o755)
            host.texts["/sys/class/net/br0/operstate"] = "up\n"
        },
        .linux("bridge", "a bridge that is down", .failure, "is down", fix: "ip link set br0 up") { host, subject in
            subject.bridgeInterface = "br0"
            host.files["/sys/class/net/br0"] = FileFacts(.directory, mode: 0o755)
            host.files["/sys/class/net/br0/bridge"] = FileFacts(.directory, mode: 0o755)
            host.texts["/sys/class/net/br0/operstate"] = "down\n"
        },
        .linux("bridge", "no interface", .failure, "no interface br0", fix: "ip link add br0 type bridge") {
            $1.bridgeInterface = "br0"
        },
        .linux("bridge", "an interface that is no bridge", .failure, "no bridge", fix: "master br0") { host, subject in
            subject.bridgeInterface = "eth0"
            host.files["/sys/class/net/eth0"] = FileFacts(.directory, mode: 0o755)
        },
        .mac("bridge", "an interface of a Mac", .ok, "en0") { host, subject in
            subject.bridgeInterface = "en0"
            host.says("ifconfig en0", "en0: flags=8863<UP>")
        },
        .mac("bridge", "no interface of a Mac", .failure, "no interface en7", fix: "networksetup") {
            $1.bridgeInterface = "en7"
        },
        .linux("vpn", "no tunnel", .ok),
        .linux("vpn", "a tunnel", .warning, "tun0", fix: "ip link set tun0 down") { host, _ in
            host.texts["/proc/net/route"] = "Iface\tDestination\ntun0\t00000000\t01\t3\t0\t0\t0\t00000000\t0\t0\t0\n"
        },
        .linux("service", "a good unit", .ok, "leaves machines alone"),
        .linux("service", "no unit", nil) { host, _ in
            host.says("systemctl", "LoadState=not-found\nKillMode=control-group\n")
        },
        .linux("service", "no systemd", nil) { host, _ in host.programs["systemctl"] = .missing },
        .linux("service", "a unit that kills", .failure, "KillMode=control-group", fix: "KillMode=process") { host, _ in
            host.says("systemctl", "LoadState=loaded\nKillMode=control-group\nDelegate=yes\n")
        },
        .linux("service", "a unit without its own groups", .warning, "Delegate=yes", fix: "Delegate=yes") { host, _ in
            host.says("systemctl", "LoadState=loaded\nKillMode=process\nDelegate=no\n")
        },
        .linux(
            "service", "a unit that takes the sockets along", .failure, "Preserve", fix: "RuntimeDirectoryPreserve=yes"
        ) {
            host, _ in
            host.says(
                "systemctl",
                "LoadState=loaded\nKillMode=process\nDelegate=yes\nRuntimeDirectory=vz-cri\nRuntimeDirectoryPreserve=no\n"
            )
        },
        .mac("service", "a good agent", .ok, "leaves machines alone"),
        .mac(
            "service", "an agent that kills", .failure, "AbandonProcessGroup",
            fix: "plutil -replace AbandonProcessGroup"
        ) {
            host, _ in
            host.texts["/h/me/Library/LaunchAgents/dev.vzcri.cri-shim.plist"] = "<key>KeepAlive</key><true/>"
        },
    ]
}
