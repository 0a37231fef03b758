import VZEngine

/// What is done in a Linux guest before its command runs: a shell script for root, which may run again after a reboot.
///
/// Every container waits for it, and an emulated processor starts programs slowly: what the shell can do itself it does.
enum GuestSetup {
    /// Where shares are mounted as a whole; what the container asked for is bound from there.
    static let directory = "/run/vzcri"

    /// The address at which the guest reaches its pod's localhost.
    static let gateway = "10.0.2.2"

    struct Script: Sendable {
        var text: String
        /// The program and first arguments of what runs it, when that is not the shell that has it.
        var runner: [String] = []

        /// As a command of its own.
        var command: [String] { (runner.isEmpty ? ["/bin/sh", "-c"] : runner) + [text] }
    }

    /// What a script ends with that its shell does not share its variables with: copies are needed first.
    static let pendingCode = 75

    /// For root, or a user who may become root without being asked.
    static func script(for config: MachineConfig, now: Int64) -> Script {
        if config.guestOS == .macos { return Script(text: MacSetup.script(config, now: now)) }
        let text = script(config, now: now)
        if config.credentials.user == "root" { return Script(text: text) }
        return Script(text: text + "[ -z \"$pending\" ] || exit \(pendingCode)\n", runner: becomingRoot)
    }

    /// Runs what follows, a script and its arguments, as root.
    static let becomingRoot = [
        "/bin/sh", "-c",
        #"if [ "$(id -u)" = 0 ]; then exec /bin/sh -c "$@"; else exec sudo -n /bin/sh -c "$@"; fi"#,
        "vzcri-setup",
    ]

    static func script(_ config: MachineConfig, now: Int64) -> String {
        ([prelude] + places(config) + kernel(config) + naming(config) + clock(now) + mounts(config)
            + termination(config)).joined(separator: "\n") + "\n"
    }

    /// `fail` ends the set-up and with it the container; `warn` goes on.
    private static let prelude = """
        fail() { echo "vzcri: $1" >&2; exit 1; }
        warn() { echo "vzcri: $1" >&2; }
        read -r boot < /proc/sys/kernel/random/boot_id || boot=unknown
        run=\(directory)/$boot
        umask 077
        """

    private static func places(_ config: MachineConfig) -> [String] {
        let used = Set(config.mounts.map(\.tag))
        let places = config.shares.filter { used.contains($0.tag) }.map { " \"$run\"/\($0.tag)" }.joined()
        return [
            """
            mkdir -p "$run"\(places) || fail "\(directory) cannot be made"
            umask 022
            """
        ]
    }

    // MARK: The kernel

    /// A container that would run without what its pod asks for does not run.
    private static func kernel(_ config: MachineConfig) -> [String] {
        (config.kernelSettings ?? [:]).sorted { $0.key < $1.key }.map { path, value in
            let failure = quoted("this guest's kernel does not take \(value) for \(path)")
            return "{ printf %s \(quoted(value)) > \(quoted("/proc/sys/" + path)); } 2>/dev/null || fail \(failure)"
        }
    }

    // MARK: Names

    private static func naming(_ config: MachineConfig) -> [String] {
        let naming = config.naming
        var lines: [String] = []
        if !naming.hostname.isEmpty {
            let name = quoted(naming.hostname)
            lines.append(
                "{ echo \(name) > /proc/sys/kernel/hostname; } 2>/dev/null || hostname \(name) || warn 'no hostname was set'"
            )
        }
        let resolver = resolver(naming)
        if !resolver.isEmpty {
            // A link leads to a file of a resolver that would write it again.
            lines.append("[ ! -L /etc/resolv.conf ] || rm -f /etc/resolv.conf")
            lines.append("printf %s \(quoted(resolver)) > /etc/resolv.conf || warn '/etc/resolv.conf was not written'")
        }
        let hosts = hosts(config)
        if !hosts.isEmpty {
            lines.append(
                """
                old= ours=
                [ ! -f /etc/hosts ] || while IFS= read -r line || [ -n "$line" ]; do
                    case $line in "# vzcri begin") ours=1 ;; esac
                    [ -n "$ours" ] || old="$old$line
                "
                    case $line in "# vzcri end") ours= ;; esac
                done < /etc/hosts
                { printf %s "$old"; printf %s \(quoted(hosts)); } > /etc/hosts || warn '/etc/hosts was not written'
                """)
        }
        return lines
    }

    static func resolver(_ naming: MachineConfig.Naming) -> String {
        var text = ""
        if !naming.searchDomains.isEmpty { text += "search \(naming.searchDomains.joined(separator: " "))\n" }
        for server in naming.nameServers { text += "nameserver \(server)\n" }
        if !naming.resolverOptions.isEmpty { text += "options \(naming.resolverOptions.joined(separator: " "))\n" }
        return text
    }

    static func hosts(_ config: MachineConfig) -> String {
        var lines = config.naming.hosts.map { "\($0.address)\t\($0.names.joined(separator: "\t"))" }
        if !config.naming.hostname.isEmpty { lines.insert("127.0.1.1\t\(config.naming.hostname)", at: 0) }
        let pod = config.network.mode == .user ? gateway : config.network.podAddress
        if let pod { lines.append("\(pod)\tpod") }
        guard !lines.isEmpty else { return "" }
        return "# vzcri begin\n" + lines.map { $0 + "\n" }.joined() + "# vzcri end\n"
    }

    // MARK: Clock

    /// A guest without a good clock has the host's, but for the time this took to arrive.
    private static func clock(_ now: Int64) -> [String] {
        let seconds = now / 1_000_000_000
        return [
            """
            off=$(( $(date +%s) - \(seconds) ))
            [ "$off" -ge -2 ] && [ "$off" -le 2 ] || date -u -s @\(seconds) >/dev/null || warn 'the clock was not set'
            """
        ]
    }

    // MARK: Mounts

    /// Shallow places first: one mount may be inside another.
    private static func mounts(_ config: MachineConfig) -> [String] {
        let used = Set(config.mounts.map(\.tag))
        var lines: [String] = []
        guard !used.isEmpty else { return [] }
        lines.append(sharer(GuestCopy.place(in: config)))
        for share in config.shares where used.contains(share.tag) { lines.append("share \(quoted(share.tag))") }
        // Without its copies there is nothing to bind yet: all of this is run again then.
        lines.append("if [ -z \"$pending\" ]; then")
        let ordered = config.mounts.enumerated().sorted { left, right in
            (depth(left.element), left.offset) < (depth(right.element), right.offset)
        }
        for (index, mount) in ordered { lines.append(bind(mount, index)) }
        lines.append("fi")
        return lines
    }

    /// `share TAG`: what it holds is in `$run/TAG` then, or `$pending` is set: it must be copied first, to `$copies/TAG`.
    private static func sharer(_ copies: String) -> String {
        """
        copies=\(copies)
        pending=
        knows_shares() {
            while read -r one two; do if [ "${two:-$one}" = virtiofs ]; then return 0; fi; done < /proc/filesystems
            return 1
        }
        share() {
            if [ -e "$run/$1.mounted" ]; then return 0; fi
            if said=$(mount -t virtiofs "$1" "$run/$1" 2>&1); then
                : > "$run/$1.mounted"
            elif knows_shares; then
                fail "the share $1 cannot be mounted: $said"
            elif [ -e "$copies/$1.copied" ]; then
                mount -o bind "$copies/$1" "$run/$1" || fail "the copy of the share $1 cannot be mounted"
                : > "$run/$1.mounted"
            else
                pending=1
            fi
        }
        """
    }

    private static func depth(_ mount: MachineConfig.Mount) -> Int { mount.guestPath.split(separator: "/").count }

    private static func bind(_ mount: MachineConfig.Mount, _ index: Int) -> String {
        let source = mount.subPath.isEmpty ? "\"$run\"/\(mount.tag)" : "\"$run\"/\(mount.tag)/\(quoted(mount.subPath))"
        let target = quoted(mount.guestPath)
        let parent = quoted(parent(of: mount.guestPath))
        let cannot = "fail \(quoted("\(mount.guestPath) cannot be mounted"))"
        // One kernel only takes `ro` in a second step, and busybox wants it so as well.
        let protect = mount.readOnly ? "\n    mount -o remount,ro,bind \(target) || \(cannot)" : ""
        return """
            if [ ! -e "$run"/bound-\(index) ]; then
                [ -e \(source) ] || fail \(quoted("there is no \(mount.subPath) in the share for \(mount.guestPath)"))
                if [ -d \(source) ]; then mkdir -p \(target); else mkdir -p \(parent) && { [ -e \(target) ] || : > \(target); }; fi || \(cannot)
                mount -o bind \(source) \(target) || \(cannot)\(protect)
                : > "$run"/bound-\(index)
            fi
            """
    }

    // MARK: Last words

    private static func termination(_ config: MachineConfig) -> [String] {
        let path = config.terminationMessagePath
        guard !path.isEmpty else { return [] }
        return [
            "mkdir -p \(quoted(parent(of: path))) && : > \(quoted(path)) && chmod 0666 \(quoted(path)) || warn \(quoted("\(path) cannot be made"))"
        ]
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// Text as one word of a POSIX shell.
    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
