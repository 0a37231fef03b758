import Foundation
import Support
import Testing
import VZEngine

@testable import VMHost

/// The script for macOS guests, in a root directory that looks like a Mac's to it: what only macOS has are stand-ins.
@Suite("Setting up a macOS guest", .enabled(if: Namespace.isUsable, "skipped, because a root of its own needs root"))
struct MacSetupTests {
    private static let shell =
        FileManager.default.fileExists(atPath: "/bin/bash") ? ["/bin/sh", "/bin/bash"] : ["/bin/sh"]

    private func config(_ change: (inout MachineConfig) -> Void) -> MachineConfig {
        var config = MachineConfig(
            id: "a", sandboxID: "0123456789abcdef",
            boot: .mac(hardwareModel: "", machineIdentifier: "", auxiliaryStorage: ""),
            credentials: .init(user: "admin"))
        config.guestOS = .macos
        change(&config)
        return config
    }

    /// Runs the set-up, twice, and then looks.
    private func run(
        _ config: MachineConfig, shell: String = "/bin/sh", sudo: Bool = true, before: String = "", look: String
    ) async throws -> ChildProcess.Outcome {
        let script = MacSetup.script(config, now: Moment.Clock.wall())
        return try await withTemporaryDirectory { directory in
            let outside = """
                root=\(directory)/root
                mkdir -p $root/usr $root/proc $root/dev $root/tmp $root/private/var $root/Home/admin $root/shares $root/mac
                for link in bin sbin lib lib64; do [ ! -e /$link ] || cp -a /$link $root/; done
                cp -a /etc $root/etc
                for place in usr proc dev; do mount --rbind /$place $root/$place || exit 90; done
                mkdir -p $root/shares/m0/inner $root/shares/files/0
                echo shared > $root/shares/m0/file
                echo single > $root/shares/files/0/app.conf
                mkdir -p $root/System/Library/Filesystems/apfs.fs/Contents/Resources
                cp \(directory)/apfs.util $root/System/Library/Filesystems/apfs.fs/Contents/Resources/
                cp \(directory)/mac/* $root/mac/
                cp \(directory)/inside $root/inside
                exec chroot $root /bin/sh /inside
                """
            let inside = """
                export PATH=/mac:/usr/bin:/bin:/usr/sbin:/sbin HOME=/Home/admin
                \(before)
                printf '%s' \(GuestSetup.quoted(script)) > /setup
                setup() { \(shell) -c \(GuestSetup.quoted(script)) </dev/null; }
                setup && setup || exit 91
                \(look)
                """
            try write(directory, inside: inside, sudo: sudo)
            return try await ChildProcess.run(
                "/usr/bin/unshare", ["--mount", "--propagation", "private", "/bin/sh", "-c", outside])
        }
    }

    private func write(_ directory: String, inside: String, sudo: Bool) throws {
        let programs = [
            // A Mac's user is not root: what is done without sudo fails where only root may write.
            "mac/sudo": sudo ? "shift; exec \"$@\"" : "exit 1",
            "mac/id": "echo 501",
            "mac/mount_virtiofs": "exec mount -o bind /shares/\"$1\" \"$2\"",
            // A Mac's list has no word for the type.
            "mac/mount": "[ $# = 0 ] || exec /usr/bin/mount \"$@\"; /usr/bin/mount | sed 's/ type [^ ]* (/ (/'",
            // Its clock is right, however long this takes; and this host's is left alone.
            "mac/date":
                "if [ \"$1\" = +%s ]; then sed -n 's/.*date +%s) - \\([0-9]*\\) .*/\\1/p' /setup; else echo \"date $*\" >> /said; fi",
            "mac/scutil": "echo \"$@\" >> /said",
            "mac/networksetup":
                "if [ $1 = -listallnetworkservices ]; then printf 'a star means off\\nEthernet\\n*Wi-Fi\\n'; else echo \"$@\" >> /said; fi",
            "mac/defaults": "exit 0", "mac/killall": "exit 0",
            "apfs.util":
                "while read -r name target; do [ -L /$name ] || ln -s /$target /$name; done < /etc/synthetic.d/vzcri",
        ]
        try FileManager.default.createDirectory(atPath: directory + "/mac", withIntermediateDirectories: true)
        for (path, text) in programs {
            let file = directory + "/" + path
            try "#!/bin/sh\n\(text)\n".write(toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        }
        try inside.write(toFile: directory + "/inside", atomically: true, encoding: .utf8)
    }

    private func mounts(_ paths: [(tag: String, subPath: String, path: String)]) -> (inout MachineConfig) -> Void {
        { config in
            config.shares = ["m0", "files"].map { .init(tag: $0, source: "/x", readOnly: false) }
            config.mounts = paths.map {
                .init(tag: $0.tag, subPath: $0.subPath, guestPath: $0.path, readOnly: false)
            }
        }
    }

    @Test(
        "a mount path leads to the share: in a directory there is, one there is not, at the top, and below a new top",
        arguments: shell)
    func links(shell: String) async throws {
        let config = config(
            mounts([
                ("m0", "", "/Home/admin/data"), ("m0", "inner", "/Home/admin/a b/it's/deep"), ("m0", "", "/builds"),
                ("files", "0/app.conf", "/opt/new/app.conf"),
            ]))
        let outcome = try await run(
            config, shell: shell,
            look: """
                cat /Home/admin/data/file /builds/file /opt/new/app.conf
                echo back > /builds/inner/out && cat "/Home/admin/a b/it's/deep/out" /shares/m0/inner/out
                mount | grep -c ' on /private/var/vzcri/m0 '
                sort /etc/synthetic.d/vzcri
                """)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(
            outcome.output == """
                shared
                shared
                single
                back
                back
                1
                builds\tprivate/var/vzcri/m0
                opt\tprivate/var/vzcri/top/opt

                """, "\(outcome.errors)")
        #expect(outcome.errors == "")
    }

    @Test("a macOS without shared directories asks for copies, and its links lead to them once they are there")
    func copies() async throws {
        let outcome = try await run(
            config(mounts([("m0", "", "/Home/admin/data")])), sudo: false, before: "rm /mac/mount_virtiofs",
            look: """
                [ -e /Home/admin/data ] || [ -L /Home/admin/data ] || echo nothing yet
                copy=/Home/admin/.vzcri/a/m0
                mkdir -p $copy; echo copied > $copy/file; : > $copy.copied
                setup && setup || exit 92
                cat /Home/admin/data/file
                readlink /Home/admin/data
                """)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output == "nothing yet\ncopied\n/Home/admin/.vzcri/a/m0\n", "\(outcome.errors)")
    }

    @Test("an empty directory makes way, one with contents and a file do not: where the files are is said")
    func occupied() async throws {
        let config = config(mounts([("m0", "", "/Home/empty"), ("m0", "", "/Home/full"), ("m0", "", "/Home/file")]))
        let outcome = try await run(
            config, before: "mkdir /Home/empty /Home/full; touch /Home/full/mine /Home/file",
            look: "cat /Home/empty/file; ls /Home/full; test -f /Home/file && echo kept")
        #expect(outcome.output == "shared\nmine\nkept\n", "\(outcome.errors)")
        #expect(
            outcome.errors.contains(
                "MountPathUnavailable: /Home/full: a directory with contents is there; its files are at /private/var/vzcri/m0"
            ))
        #expect(outcome.errors.contains("MountPathUnavailable: /Home/file"))
    }

    @Test("without root the shares are in the user's home, and a path that needs root is said to be elsewhere")
    func unprivileged() async throws {
        let config = config(mounts([("m0", "", "/Home/admin/data"), ("m0", "", "/builds")]))
        let outcome = try await run(
            config, sudo: false, look: "cat /Home/admin/data/file; test ! -e /builds && echo none")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output == "shared\nnone\n")
        #expect(
            outcome.errors.contains(
                "MountPathUnavailable: /builds: the root directory of macOS takes no new name; its files are at /Home/admin/.vzcri/m0"
            ))
    }

    @Test("names, name servers and hosts are the pod's; hosts are written once however often it runs")
    func names() async throws {
        let config = config { config in
            config.naming.hostname = "my.pod"
            config.naming.nameServers = ["10.96.0.10", "1.1.1.1"]
            config.naming.searchDomains = ["a.svc"]
            config.naming.hosts = [.init(address: "10.9.8.7", names: ["db", "db.local"])]
            config.terminationMessagePath = "/private/var/last/words"
        }
        let outcome = try await run(
            config,
            look: """
                sort -u /said
                grep -c 'vzcri begin' /etc/hosts
                grep db.local /etc/hosts
                ls /private/var/last
                """)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(
            outcome.output == """
                --set ComputerName my-pod-01234567
                --set HostName my.pod
                --set LocalHostName my-pod-01234567
                -setdnsservers Ethernet 10.96.0.10 1.1.1.1
                -setsearchdomains Ethernet a.svc
                1
                10.9.8.7\tdb\tdb.local
                words

                """, "\(outcome.errors)")
    }

    @Test(
        "a name in the local network is one macOS takes",
        arguments: [
            ("My.Pod", "My-Pod-01234567"), ("...", "macos-vm-01234567"),
            (String(repeating: "x", count: 80), String(repeating: "x", count: 54) + "-01234567"),
            ("a--ü--b", "a-b-01234567"),
        ])
    func localName(name: String, expected: String) {
        #expect(MacSetup.localName(name, of: "0123456789abcdef") == expected)
        #expect(expected.utf8.count <= 63)
    }
}
