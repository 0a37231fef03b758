extension Check {
    static let serviceChecks = [
        Check("service") { host, subject in
            switch host.system {
            case .linux: await systemd(host)
            case .macOS: await launchd(host)
            }
        }
    ]

    private static func systemd(_ host: any Host) async -> [Verdict] {
        let asked = [
            "show", "cri-shim.service",
            "--property=LoadState,KillMode,Delegate,RuntimeDirectory,RuntimeDirectoryPreserve",
        ]
        guard let text = await host.output("systemctl", asked), text.value(of: "LoadState=") == "loaded" else {
            return []
        }
        var verdicts: [Verdict] = []
        func fix(_ line: String) -> String {
            "systemctl edit cri-shim, write [Service] and \(line); then systemctl daemon-reload"
        }
        let mode = text.value(of: "KillMode=") ?? ""
        if mode != "process" {
            verdicts.append(
                .failure(
                    "cri-shim.service has KillMode=\(mode): stopping the daemon would kill every machine",
                    fix: fix("KillMode=process")))
        }
        if text.value(of: "Delegate=") != "yes" {
            verdicts.append(
                .warning(
                    "cri-shim.service has no Delegate=yes: machines cannot have control groups of their own",
                    fix: fix("Delegate=yes")))
        }
        if let directory = text.value(of: "RuntimeDirectory="), !directory.isEmpty,
            text.value(of: "RuntimeDirectoryPreserve=") == "no"
        {
            verdicts.append(
                .failure(
                    "cri-shim.service has no RuntimeDirectoryPreserve=yes: machines' sockets go when the daemon stops",
                    fix: fix("RuntimeDirectoryPreserve=yes")))
        }
        return verdicts.isEmpty ? [.ok("cri-shim.service leaves machines alone")] : verdicts
    }

    private static func launchd(_ host: any Host) async -> [Verdict] {
        var verdicts: [Verdict] = []
        for directory in [(host.environment["HOME"] ?? "") + "/Library/LaunchAgents", "/Library/LaunchDaemons"] {
            for name in await host.names(in: directory) ?? [] where name.contains("cri-shim") {
                let path = "\(directory)/\(name)"
                guard let text = await host.text(of: path) else { continue }
                let value = text.split(separator: "AbandonProcessGroup</key>").dropFirst().first?.trimmed ?? ""
                if value.hasPrefix("<true/>") {
                    verdicts.append(.ok("\(path) leaves machines alone"))
                } else {
                    verdicts.append(
                        .failure(
                            "\(path) has no AbandonProcessGroup: stopping the daemon would kill every machine",
                            fix: "plutil -replace AbandonProcessGroup -bool true \(path), then load it anew"))
                }
            }
        }
        return verdicts
    }
}
