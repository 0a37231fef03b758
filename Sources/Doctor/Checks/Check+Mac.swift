extension Check {
    /// What Apple's Virtualization.framework needs.
    static let macChecks =
        [
            Check("macos") { host, _ in
                guard host.system == .macOS else { return [] }
                let version = await host.output("sw_vers", ["-productVersion"])?.trimmed ?? ""
                guard let major = version.split(separator: ".").first.flatMap({ Int($0) }) else {
                    return [.warning("sw_vers does not tell the version of macOS", fix: "run sw_vers")]
                }
                guard await host.output("sysctl", ["-n", "hw.optional.arm64"])?.trimmed == "1" else {
                    return [
                        .failure(
                            "this Mac has an Intel processor: it cannot run macOS guests",
                            fix: "use a Mac with Apple silicon")
                    ]
                }
                guard await host.output("sysctl", ["-n", "sysctl.proc_translated"])?.trimmed != "1" else {
                    return [
                        .failure(
                            "this program runs under Rosetta: it cannot run machines",
                            fix: "build it for arm64: arch -arm64 swift build")
                    ]
                }
                guard major >= oldestMacOS else {
                    return [
                        .failure(
                            "macOS \(version) is too old: \(oldestMacOS) is needed",
                            fix: "softwareupdate --install --os-only --all")
                    ]
                }
                return [.ok("macOS \(version) on Apple silicon")]
            },
            Check("virtualization") { host, _ in
                guard host.system == .macOS else { return [] }
                guard await host.output("sysctl", ["-n", "kern.hv_support"])?.trimmed == "1" else {
                    let isGuest = await host.output("sysctl", ["-n", "kern.hv_vmm_present"])?.trimmed == "1"
                    return [
                        .failure(
                            isGuest
                                ? "this macOS is a virtual machine itself that may run none"
                                : "this Mac does not offer virtualization (kern.hv_support)",
                            fix: isGuest
                                ? "run on the Mac itself; Linux guests need a host with nested virtualization (M3, macOS 15)"
                                : "sysctl kern.hv_support must be 1: look for a profile that forbids it")
                    ]
                }
                return [.ok("offered")]
            },
            Check("entitlements") { host, subject in
                guard host.system == .macOS, await host.may(.execute, subject.vmHost) else { return [] }
                let outcome = await host.run("codesign", ["-d", "--entitlements", "-", "--xml", subject.vmHost])
                guard case .ended(let code, let text, _) = outcome, code == 0 else {
                    return [
                        .failure("\(subject.vmHost) is not signed: macOS lets it start no machine", fix: "make sign")
                    ]
                }
                guard text.contains("com.apple.security.virtualization") else {
                    return [
                        .failure(
                            "\(subject.vmHost) lacks the entitlement com.apple.security.virtualization: it can start no machine",
                            fix: "make sign")
                    ]
                }
                guard subject.bridgeInterface == nil || text.contains("com.apple.vm.networking") else {
                    return [
                        .failure(
                            "\(subject.vmHost) lacks the entitlement com.apple.vm.networking, which VZ_BRIDGE_INTERFACE needs",
                            fix: "sign it with a profile Apple gave you for that, or unset VZ_BRIDGE_INTERFACE")
                    ]
                }
                return [.ok("\(subject.vmHost) may start machines")]
            },
            Check("host slots") { host, subject in
                guard host.system == .macOS else { return [] }
                return [await slots(host, subject)]
            },
        ] + macComfortChecks

    private static let oldestMacOS = 15
    /// Apple's kernel runs no more macOS guests at a time.
    private static let slotTotal = 2

    private static func slots(_ host: any Host, _ subject: Subject) async -> Verdict {
        let processes = (await host.output("ps", ["-axo", "comm="]) ?? "").split(separator: "\n").map(\.trimmed)
        let machines = processes.count { $0.hasSuffix("com.apple.Virtualization.VirtualMachine") }
        let ours = processes.count { $0 == "vm-host" || $0.hasSuffix("/vm-host") }
        if machines < slotTotal, await wasRefused(host, subject) {
            return .failure(
                "the kernel refused a machine since this Mac started though \(machines) of \(slotTotal) run: a slot is leaked",
                fix: "sudo shutdown -r now: only a restart frees it")
        }
        if machines > ours {
            return .warning(
                "\(machines - ours) of \(slotTotal) slots for macOS guests are used by other programs' machines (Docker's count "
                    + "only if they are macOS)",
                fix:
                    "ps -axo pid,comm | grep com.apple.Virtualization.VirtualMachine shows them: quit those that run macOS"
            )
        }
        return .ok("\(machines) of \(slotTotal) macOS guests run")
    }

    /// Whether a machine of ours that was started since the system was could not be for the kernel's limit.
    private static func wasRefused(_ host: any Host, _ subject: Subject) async -> Bool {
        // { sec = 1763727000, usec = 0 } Fri Nov 21 …
        let boot =
            (await host.output("sysctl", ["-n", "kern.boottime"]))?.value(of: "sec =")
            .flatMap { Int64($0.prefix { $0.isNumber }) } ?? 0
        let directory = subject.root + "/machines"
        for id in await host.names(in: directory) ?? [] {
            guard let text = await host.text(of: "\(directory)/\(id)/exit.json") else { continue }
            let finished = text.value(of: "\"finishedAt\":").flatMap { Int64($0.prefix { $0.isNumber }) } ?? 0
            guard finished / 1_000_000_000 >= boot else { continue }
            let message = text.lowercased()
            if message.contains("two macos guests at a time") || message.contains("exceeds the limit")
                || message.contains("maximum supported number of active virtual machines")
            {
                return true
            }
        }
        return false
    }
}
