import VZEngine

/// What is done in a macOS guest before its command runs: a shell script for the user, who may become root without being
/// asked or does without. It may run again after a reboot.
///
/// Nothing can be mounted over a directory there, so a link at the container's `mountPath` leads to the share. Where no link
/// can be, the script says so, and where the files are.
enum MacSetup {
    /// Shares are mounted here: a path without spaces, unlike the one macOS has for them.
    static let directory = "/private/var/vzcri"

    private static let synthesizer = "/System/Library/Filesystems/apfs.fs/Contents/Resources/apfs.util"

    static func script(_ config: MachineConfig, now: Int64) -> String {
        ([prelude] + hygiene(config) + naming(config) + clock(now) + mounts(config) + termination(config)).joined(
            separator: "\n") + "\n"
    }

    /// `root` runs something as root when that is possible, `either` as the user and then as root.
    private static let prelude = """
        fail() { echo "vzcri: $1" >&2; exit 1; }
        warn() { echo "vzcri: $1" >&2; }
        if [ "$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo=no; fi
        root() { [ "$sudo" != no ] && $sudo "$@"; }
        either() { "$@" 2>/dev/null || root "$@"; }
        rootfile() { if [ "$sudo" = no ]; then return 1; else $sudo tee "$1" >/dev/null; fi; }
        """

    // MARK: Names

    /// Machines of one image are many in one network: none tells it names the others have too.
    private static func hygiene(_ config: MachineConfig) -> [String] {
        [
            """
            root defaults write /Library/Preferences/com.apple.mDNSResponder.plist NoMulticastAdvertisements -bool YES
            """
        ]
    }

    private static func naming(_ config: MachineConfig) -> [String] {
        let naming = config.naming
        var lines: [String] = []
        if !naming.hostname.isEmpty {
            let full = GuestSetup.quoted(naming.hostname)
            let local = GuestSetup.quoted(localName(naming.hostname, of: config.sandboxID))
            lines.append(
                """
                for kind in LocalHostName ComputerName; do root scutil --set $kind \(local) || warn "no $kind was set"; done
                root scutil --set HostName \(full) || warn 'no HostName was set'
                """)
        }
        lines.append("root killall -HUP mDNSResponder 2>/dev/null")
        if !naming.nameServers.isEmpty || !naming.searchDomains.isEmpty {
            var commands: [String] = []
            if !naming.nameServers.isEmpty {
                commands.append(
                    "root networksetup -setdnsservers \"$service\" \(words(naming.nameServers)) >/dev/null")
            }
            if !naming.searchDomains.isEmpty {
                commands.append(
                    "root networksetup -setsearchdomains \"$service\" \(words(naming.searchDomains)) >/dev/null")
            }
            // The first line is an explanation; a star marks services that are off.
            lines.append(
                """
                networksetup -listallnetworkservices | tail -n +2 | while IFS= read -r service; do
                    case $service in \\**) continue ;; esac
                    \(commands.joined(separator: "\n    "))
                done || warn 'the name servers were not set'
                """)
        }
        let hosts = GuestSetup.hosts(config)
        if !hosts.isEmpty {
            lines.append(
                """
                { sed '/^# vzcri begin$/,/^# vzcri end$/d' /etc/hosts; printf %s \(GuestSetup.quoted(hosts)); } |
                    rootfile /etc/hosts.vzcri && root mv -f /etc/hosts.vzcri /etc/hosts || warn '/etc/hosts was not written'
                """)
        }
        return lines
    }

    /// What macOS takes for a name in the local network: letters, digits and dashes, 63 at most; its own for each pod.
    static func localName(_ name: String, of sandbox: String) -> String {
        let letters = name.map { ($0.isASCII && ($0.isLetter || $0.isNumber)) ? $0 : "-" }
        let base = String(letters.prefix(54)).split(separator: "-").joined(separator: "-")
        return (base.isEmpty ? "macos-vm" : base) + "-" + sandbox.prefix(8)
    }

    private static func words(_ texts: [String]) -> String { texts.map(GuestSetup.quoted).joined(separator: " ") }

    // MARK: Clock

    private static func clock(_ now: Int64) -> [String] {
        let seconds = now / 1_000_000_000
        return [
            """
            off=$(( $(date +%s) - \(seconds) ))
            [ "$off" -ge -2 ] && [ "$off" -le 2 ] || root date -u "$(date -u -r \(seconds) +%m%d%H%M%Y.%S)" >/dev/null || warn 'the clock was not set'
            """
        ]
    }

    // MARK: Mounts

    private static func mounts(_ config: MachineConfig) -> [String] {
        let used = Set(config.mounts.map(\.tag))
        guard !used.isEmpty else { return [] }
        var lines = [
            // Without root the shares are in the user's home.
            """
            place=\(directory)
            root mkdir -p "$place" || place=$HOME/.vzcri
            mounted() { mount | grep -F " on $1 (" >/dev/null; }
            copies=\(GuestCopy.place(in: config))
            pending=
            share() {
                # Before macOS 13 there are no shared directories: links lead to copies in the user's home.
                if ! command -v mount_virtiofs >/dev/null && [ ! -x /sbin/mount_virtiofs ]; then
                    place=$copies
                    [ -e "$copies/$1.copied" ] || pending=1
                    return 0
                fi
                either mkdir -p "$place/$1" || fail "$place/$1 cannot be made"
                mounted "$place/$1" || either mount_virtiofs "$1" "$place/$1" || fail "the share $1 cannot be mounted"
            }
            """
        ]
        for share in config.shares where used.contains(share.tag) {
            lines.append("share \(GuestSetup.quoted(share.tag))")
        }
        lines.append(linker)
        lines.append("if [ -z \"$pending\" ]; then")
        let ordered = config.mounts.enumerated().sorted { left, right in
            (depth(left.element), left.offset) < (depth(right.element), right.offset)
        }
        for (_, mount) in ordered {
            let tail = mount.subPath.isEmpty ? mount.tag : mount.tag + "/" + mount.subPath
            lines.append("place_at \(GuestSetup.quoted(tail)) \(GuestSetup.quoted(mount.guestPath))")
        }
        lines.append("fi")
        return lines
    }

    private static func depth(_ mount: MachineConfig.Mount) -> Int { mount.guestPath.split(separator: "/").count }

    /// `place_at TAIL PATH`: PATH leads to what is at TAIL of the shares.
    ///
    /// A new name in the root directory, which is read-only, is one that APFS synthesizes from a list.
    private static let linker = """
        unavailable() { warn "MountPathUnavailable: $1: $2; its files are at $3"; }
        synthesize() {
            root mkdir -p /etc/synthetic.d || return 1
            { [ ! -f /etc/synthetic.d/vzcri ] || grep -v "^$1[[:space:]]" /etc/synthetic.d/vzcri; printf '%s\\t%s\\n' "$1" "$2"; } |
                rootfile /etc/synthetic.d/vzcri.new && root mv -f /etc/synthetic.d/vzcri.new /etc/synthetic.d/vzcri || return 1
            # It also says so when all is well.
            root \(synthesizer) -t >/dev/null 2>&1
            [ -e "/$1" ] || [ -L "/$1" ]
        }
        place_at() {
            source=$place/$1
            path=$2
            [ -e "$source" ] || fail "there is no $1 in the shares for $path"
            if [ "$(readlink "$path" 2>/dev/null)" = "$source" ]; then return 0; fi
            top=${path#/}
            top=${top%%/*}
            if [ ! -e "/$top" ] && [ ! -L "/$top" ]; then
                if [ "/$top" = "$path" ]; then
                    synthesize "$top" "${source#/}" || unavailable "$path" "the root directory of macOS takes no new name" "$source"
                    return 0
                fi
                root mkdir -p "\(directory)/top/$top" && synthesize "$top" "private/var/vzcri/top/$top" ||
                    { unavailable "$path" "the root directory of macOS takes no new name" "$source"; return 0; }
            fi
            either mkdir -p "${path%/*}/" || { unavailable "$path" "its parent cannot be made" "$source"; return 0; }
            if [ -L "$path" ]; then
                either rm -f "$path"
            elif [ -d "$path" ]; then
                either rmdir "$path" || { unavailable "$path" "a directory with contents is there" "$source"; return 0; }
            elif [ -e "$path" ]; then
                unavailable "$path" "a file is there" "$source"
                return 0
            fi
            either ln -s "$source" "$path" || unavailable "$path" "no link can be made there" "$source"
        }
        """

    // MARK: Last words

    private static func termination(_ config: MachineConfig) -> [String] {
        let path = config.terminationMessagePath
        guard !path.isEmpty, let slash = path.lastIndex(of: "/") else { return [] }
        let parent = GuestSetup.quoted(slash == path.startIndex ? "/" : String(path[..<slash]))
        let file = GuestSetup.quoted(path)
        return [
            """
            { either mkdir -p \(parent) && either touch \(file) && either chmod 0666 \(file) && : > \(file); } 2>/dev/null || warn \(GuestSetup.quoted("\(path) cannot be made"))
            """
        ]
    }
}
