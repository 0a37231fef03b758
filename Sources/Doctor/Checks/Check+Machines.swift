extension Check {
    /// What machines need on Linux, and what they need everywhere.
    static let machineChecks = [
        Check("vm-host") { host, subject in
            guard !subject.hasNoMachines else { return [] }
            guard await host.may(.execute, subject.vmHost) else {
                return [
                    .failure(
                        "there is no program \(subject.vmHost): no machine can be started",
                        fix: "install vm-host beside cri-shim, or name it: vmHost: in the configuration")
                ]
            }
            return [.ok(subject.vmHost)]
        },
        Check("qemu") { host, subject in
            guard host.system == .linux, !subject.hasNoMachines else { return [] }
            let emulator = host.qemu.emulator
            let install =
                "apt install \(host.architecture == "x86_64" ? "qemu-system-x86" : "qemu-system-arm") "
                + "(or set vmSlots: 0 where no machines are wanted)"
            switch await host.run(emulator, ["--version"]) {
            case .missing:
                return [.failure("there is no \(emulator): no machine can be started", fix: install)]
            case .failed(let why):
                return [.failure("\(emulator) cannot be run: \(why)", fix: "apt install --reinstall qemu-system")]
            case .ended(let code, let output, let errors):
                guard code == 0, let version = qemuVersion(output) else {
                    return [
                        .failure(
                            "\(emulator) --version ended with \(code): \(errors)",
                            fix: "apt install --reinstall qemu-system")
                    ]
                }
                guard version.major >= oldestQEMU else {
                    return [
                        .warning(
                            "QEMU \(version.text) is older than what this was tried with (\(oldestQEMU))",
                            fix: "install QEMU \(oldestQEMU) or newer")
                    ]
                }
                return [.ok("QEMU \(version.text)")]
            }
        },
        Check("kvm", deadline: .seconds(20)) { host, subject in
            guard host.system == .linux, !subject.hasNoMachines else { return [] }
            guard await host.look(at: "/dev/kvm") != nil else {
                return [
                    .warning(
                        "there is no /dev/kvm: guests are emulated, slower by far",
                        fix:
                            "turn virtualization on in the firmware (or nested virtualization for this virtual machine), "
                            + "then: modprobe kvm_intel || modprobe kvm_amd")
                ]
            }
            guard await host.may(.read, "/dev/kvm"), await host.may(.write, "/dev/kvm") else {
                return [
                    .warning(
                        "/dev/kvm is not ours to use: guests are emulated, slower by far",
                        fix: "sudo usermod -aG kvm \(host.environment["USER"] ?? "$USER"), then log in anew")
                ]
            }
            switch await host.tryKVM() {
            case .works: return [.ok("a guest ran with it")]
            case .doesNotWork(let why):
                return [
                    .warning(
                        "/dev/kvm is there, and a guest does not run with it, so guests are emulated, slower by far: "
                            + why.prefix(160),
                        fix: "dmesg | grep -i kvm says why; on a cloud host choose a type with nested virtualization")
                ]
            case .unknown(let why):
                return [.warning("KVM could not be tried: \(why)", fix: "install QEMU, and run cri-shim doctor again")]
            }
        },
        Check("virtiofsd") { host, subject in
            guard host.system == .linux, !subject.hasNoMachines else { return [] }
            for path in host.qemu.shareServers where await host.may(.execute, path) { return [.ok(path)] }
            // A name alone is looked for in PATH.
            if case .ended = await host.run("virtiofsd", ["--version"]) { return [.ok("virtiofsd, in PATH")] }
            return [
                .warning(
                    "there is no virtiofsd: machines with volumes do not start",
                    fix: "apt install virtiofsd || apt install qemu-system-common")
            ]
        },
        Check("firmware") { host, subject in
            guard host.system == .linux, !subject.hasNoMachines else { return [] }
            for files in host.qemu.firmware {
                var areThere = true
                for file in files where await !host.may(.read, file) { areThere = false }
                if areThere { return [.ok(files[0])] }
            }
            return [
                .warning(
                    "there is no UEFI firmware: images that start by it do not",
                    fix: "apt install \(host.architecture == "x86_64" ? "ovmf" : "qemu-efi-aarch64")")
            ]
        },
    ]

    private static let oldestQEMU = 7

    /// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u16)`
    static func qemuVersion(_ text: String) -> (text: String, major: Int)? {
        guard let range = text.firstRange(of: "version ") else { return nil }
        let version = text[range.upperBound...].prefix { $0.isNumber || $0 == "." }
        guard let major = version.split(separator: ".").first.flatMap({ Int($0) }) else { return nil }
        return (String(version), major)
    }
}
