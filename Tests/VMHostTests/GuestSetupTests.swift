import Foundation
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("Setting up a guest")
struct GuestSetupTests {
    private func config(_ change: (inout MachineConfig) -> Void = { _ in }) -> MachineConfig {
        var config = MachineConfig(
            id: "a", sandboxID: "b", boot: .efi(variables: nil), credentials: .init(user: "root"))
        change(&config)
        return config
    }

    @Test("resolv.conf holds what the pod has, and nothing when it has nothing")
    func resolver() {
        var naming = MachineConfig.Naming()
        #expect(GuestSetup.resolver(naming) == "")
        naming.nameServers = ["10.96.0.10", "1.1.1.1"]
        naming.searchDomains = ["a.svc", "svc"]
        naming.resolverOptions = ["ndots:5"]
        #expect(
            GuestSetup.resolver(naming)
                == "search a.svc svc\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:5\n")
    }

    @Test("`pod` is the gateway where localhost is shared, else the pod's address, if it has one")
    func pod() {
        #expect(GuestSetup.hosts(config()).contains("\n10.0.2.2\tpod\n"))
        let bridged = config { config in
            config.network.mode = .bridged
            config.network.podAddress = "10.1.2.3"
        }
        #expect(GuestSetup.hosts(bridged).contains("\n10.1.2.3\tpod\n"))
        #expect(GuestSetup.hosts(config { $0.network.mode = .bridged }) == "")
    }

    @Test(
        "text is one word for a shell, whatever it holds",
        arguments: ["", "a b", "it's", "$HOME `x` \"y\" \\", "new\nline"])
    func quoting(text: String) async throws {
        let outcome = try await ChildProcess.run("/bin/sh", ["-c", "printf %s \(GuestSetup.quoted(text))"])
        #expect(outcome.output == text)
    }

    @Test("the script is one that a POSIX shell reads, also with hostile names")
    func syntax() async throws {
        let hostile = config { config in
            config.naming.hostname = "it's; $(touch /tmp/x)"
            config.naming.nameServers = ["1.1.1.1"]
            config.shares = [.init(tag: "data", source: "/x", readOnly: false)]
            config.mounts = [
                .init(tag: "data", subPath: "a 'b'", guestPath: "/mnt/it's", readOnly: true),
                .init(tag: "data", guestPath: "/mnt", readOnly: false),
            ]
            config.terminationMessagePath = "/dev/termination log"
        }
        let outcome = try await ChildProcess.run(
            "/bin/sh", ["-n"], input: GuestSetup.script(hostile, now: 1_700_000_000_000_000_000))
        #expect(outcome.code == 0, "\(outcome.errors)")
    }

    @Test("an outer mount comes before one inside it, whatever their order")
    func order() throws {
        let script = GuestSetup.script(
            config { config in
                config.shares = [.init(tag: "t", source: "/x", readOnly: false)]
                config.mounts = [
                    .init(tag: "t", guestPath: "/a/b/c", readOnly: false),
                    .init(tag: "t", guestPath: "/a", readOnly: false),
                ]
            }, now: 0)
        let inner = try #require(script.range(of: "bind \"$run\"/t '/a/b/c'"))
        let outer = try #require(script.range(of: "bind \"$run\"/t '/a' "))
        #expect(outer.lowerBound < inner.lowerBound)
    }

    @Test(
        "names, hosts and mounts appear, once, however often it runs",
        .enabled(if: Namespace.isUsable, "skipped, because mount namespaces need root"))
    func realRun() async throws {
        try await withTemporaryDirectory { directory in
            let target = directory + "/target"
            let config = config { config in
                config.kernelSettings = ["kernel/shm_rmid_forced": "1", "net/ipv4/ping_group_range": "0 7"]
                config.naming.hostname = "guest-1"
                config.naming.nameServers = ["10.96.0.10"]
                config.naming.hosts = [.init(address: "10.9.8.7", names: ["db", "db.local"])]
                config.shares = [.init(tag: "data", source: "/x", readOnly: false)]
                config.mounts = [
                    .init(tag: "data", guestPath: target, readOnly: false),
                    .init(tag: "data", subPath: "one", guestPath: directory + "/deep/file", readOnly: true),
                ]
                config.terminationMessagePath = directory + "/last/words"
            }
            let script = GuestSetup.script(config, now: Moment.Clock.wall())
            // A tmpfs stands for virtio-fs: everything else is the kernel's own.
            let outcome = try await Namespace.run(
                """
                mkdir -p \(directory)/bin \(directory)/share; echo content > \(directory)/share/one
                cat > \(directory)/bin/mount <<'END'
                #!/bin/sh
                if [ "$2" = virtiofs ]; then exec /bin/mount -o bind \(directory)/share "$4"; fi
                exec /bin/mount "$@"
                END
                chmod +x \(directory)/bin/mount
                PATH=\(directory)/bin:$PATH
                setup() { /bin/sh -c \(GuestSetup.quoted(script)); }
                setup && setup || exit 1
                cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ping_group_range
                hostname
                grep -c 'vzcri begin' /etc/hosts
                grep db.local /etc/hosts
                cat /etc/resolv.conf \(directory)/deep/file
                grep -c " \(target) " /proc/mounts
                (echo x > \(directory)/deep/file) 2>/dev/null || echo protected
                echo new > \(target)/two && cat \(directory)/share/two
                stat -c %a \(directory)/last/words
                """)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(
                outcome.output == """
                    1
                    0\t7
                    guest-1
                    1
                    10.9.8.7\tdb\tdb.local
                    nameserver 10.96.0.10
                    content
                    1
                    protected
                    new
                    666

                    """, "\(outcome.errors)")
        }
    }

    @Test(
        "a setting that the kernel does not have or does not take ends the set-up and is named",
        .enabled(if: Namespace.isUsable, "skipped, because mount namespaces need root"),
        arguments: [("kernel/no_such_setting", "1"), ("kernel/shm_rmid_forced", "it's none")])
    func kernelSettings(path: String, value: String) async throws {
        let script = GuestSetup.script(config { $0.kernelSettings = [path: value] }, now: Moment.Clock.wall())
        let outcome = try await Namespace.run("/bin/sh -c \(GuestSetup.quoted(script))")
        #expect(outcome.code == 1)
        #expect(outcome.errors == "vzcri: this guest's kernel does not take \(value) for \(path)\n")
    }

    @Test(
        "a share that cannot be mounted ends the set-up and names it",
        .enabled(if: Namespace.isUsable, "skipped, because mount namespaces need root"))
    func noShare() async throws {
        let script = GuestSetup.script(
            config { config in
                config.shares = [.init(tag: "nowhere", source: "/x", readOnly: false)]
                config.mounts = [.init(tag: "nowhere", guestPath: "/mnt/x", readOnly: false)]
            }, now: Moment.Clock.wall())
        let outcome = try await Namespace.run(
            """
            { cat /proc/filesystems; printf 'nodev\\tvirtiofs\\n'; } > /run/kinds; mount -o bind /run/kinds /proc/filesystems
            /bin/sh -c \(GuestSetup.quoted(script))
            """)
        #expect(outcome.code == 1)
        #expect(outcome.errors.contains("vzcri: the share nowhere cannot be mounted"), "\(outcome.errors)")
    }

    @Test(
        "a kernel without virtio-fs asks for copies, and binds them once they are there",
        .enabled(if: Namespace.isUsable, "skipped, because mount namespaces need root"))
    func copies() async throws {
        let config = config { config in
            config.credentials.user = "builder"
            config.shares = [.init(tag: "data", source: "/x", readOnly: false)]
            config.mounts = [.init(tag: "data", guestPath: "/run/there", readOnly: true)]
        }
        let script = GuestSetup.script(for: config, now: Moment.Clock.wall())
        let setup = script.command.map(GuestSetup.quoted).joined(separator: " ")
        let outcome = try await Namespace.run(
            """
            grep -v virtiofs /proc/filesystems > /run/kinds; mount -o bind /run/kinds /proc/filesystems
            mount -t tmpfs none /var/lib
            \(setup); echo $?; ls /run/there 2>/dev/null
            copy=\(GuestCopy.place(in: config))/data
            mkdir -p $copy; echo content > $copy/one; : > $copy.copied
            \(setup); echo $?; cat /run/there/one
            (echo x > /run/there/one) 2>/dev/null || echo protected
            """)
        #expect(outcome.output == "\(GuestSetup.pendingCode)\n0\ncontent\nprotected\n", "\(outcome.errors)")
    }
}

/// A mount and host-name namespace with an /etc and a /run of its own.
enum Namespace {
    static let isUsable = getuid() == 0

    static func run(_ script: String) async throws -> ChildProcess.Outcome {
        try await withTemporaryDirectory { directory in
            let inside = """
                cp -a /etc \(directory)/etc && mount -o bind \(directory)/etc /etc || exit 90
                mount -t tmpfs none /run || exit 91
                \(script)
                """
            return try await ChildProcess.run(
                "/usr/bin/unshare",
                [
                    "--mount", "--uts", "--ipc", "--net", "--propagation", "private", "/bin/sh", "-c", inside,
                ])
        }
    }
}
