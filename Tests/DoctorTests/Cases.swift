import Sockets

@testable import Doctor

/// A host, what is configured, and what a check has to say of it.
struct Case: Sendable, CustomStringConvertible {
    typealias Change = @Sendable (inout FakeHost, inout Subject) -> Void

    var check: String
    var description: String
    var host: FakeHost
    var level: Finding.Level?
    /// Part of what is said.
    var what: String
    /// Part of the fix.
    var fix: String
    var change: Change

    static func linux(
        _ check: String, _ description: String, _ level: Finding.Level?, _ what: String = "", fix: String = "",
        _ change: @escaping Change = { _, _ in }
    ) -> Case {
        Case(check: check, description: description, host: .linux, level: level, what: what, fix: fix, change: change)
    }

    static func mac(
        _ check: String, _ description: String, _ level: Finding.Level?, _ what: String = "", fix: String = "",
        _ change: @escaping Change = { _, _ in }
    ) -> Case {
        Case(check: check, description: description, host: .mac, level: level, what: what, fix: fix, change: change)
    }

    static let all = common + linuxOnly + macOnly

    private static func file(_ mode: UInt32) -> FileFacts { FileFacts(.file, mode: mode) }

    static let common: [Case] =
        [
            .linux("configuration", "a good configuration", .ok),
            .linux(
                "configuration", "one that cannot be used", .failure, "config.yaml:3: unknown key",
                fix: "--print-config"
            ) {
                $1.configurationError = "config.yaml:3: unknown key"
            },
            .linux("configuration", "a variable of the other daemon", .warning, "KUBELET_PORT", fix: "unset") {
                $1.configurationWarnings = ["KUBELET_PORT is a variable of vk-adapter"]
            },
            .linux("directories", "private directories", .ok),
            .linux("directories", "directories that can be made", .ok, "made when") { host, _ in
                host.files["/data"] = nil
                host.files["/state"] = nil
            },
            .linux(
                "directories", "a directory that cannot be made", .failure, "cannot be made in /",
                fix: "sudo install -d -m 0700 -o 7 /data"
            ) {
                host, _ in
                host.files["/data"] = nil
                host.files["/state"]?.owner = 7
                host.forbidden = ["/"]
                host.userID = 7
            },
            .linux("directories", "a directory others may write to", .failure, "mode 0777", fix: "chmod go-w /data") {
                host, _ in
                host.files["/data"]?.mode = 0o777
            },
            .linux("directories", "sockets others may look at", .warning, "mode 0755", fix: "chmod o-rwx /state") {
                host, _ in
                host.files["/state"]?.mode = 0o755
            },
            .linux("directories", "another user's directory", .failure, "belongs to user 12", fix: "chown -R 0 /data") {
                host, _ in
                host.files["/data"]?.owner = 12
            },
            .linux("directories", "a file", .failure, "no directory", fix: "remove it") { host, _ in
                host.files["/data"] = file(0o600)
            },
            .linux("sockets", "no daemon", .ok, "is free"),
            .linux("sockets", "a daemon that answers", .ok, "answers") { host, _ in
                host.files["/state/cri.sock"] = FileFacts(.socket, mode: 0o600)
                host.connections["unix:///state/cri.sock"] = .connected
            },
            .linux("sockets", "a daemon that was killed", .ok, "left of") { host, _ in
                host.files["/state/cri.sock"] = FileFacts(.socket, mode: 0o600)
                host.connections["unix:///state/cri.sock"] = .refused
            },
            .linux("sockets", "a daemon that hangs", .failure, "does not answer", fix: "restart it") { host, _ in
                host.files["/state/cri.sock"] = FileFacts(.socket, mode: 0o600)
                host.connections["unix:///state/cri.sock"] = .late
            },
            .linux("sockets", "a socket others may use", .failure, "mode 0666", fix: "chmod 600 /state/cri.sock") {
                host, _ in
                host.files["/state/cri.sock"] = FileFacts(.socket, mode: 0o666)
            },
            .linux("sockets", "a socket of a group", .ok) { host, subject in
                host.files["/state/cri.sock"] = FileFacts(.socket, mode: 0o660)
                subject.hasSocketGroup = true
            },
            .linux("sockets", "a file in its place", .failure, "no socket", fix: "rm /state/cri.sock") { host, _ in
                host.files["/state/cri.sock"] = file(0o600)
            },
            .linux("sockets", "a long path", .failure, "the system takes 107", fix: "--state") { _, subject in
                subject.state = "/" + String(repeating: "s", count: 90)
            },
            .mac("sockets", "a path that is long on a Mac", .failure, "the system takes 103", fix: "--listen") {
                _, subject in
                subject.listen = [.unix(path: "/" + String(repeating: "s", count: 103))]
            },
            .linux("ports", "free ports", .ok, "10250"),
            .linux("ports", "a port in use", .failure, "used by nginx", fix: "kubeletPort") { host, _ in
                host.listening = .taken
                host.says("ss", "LISTEN 0 4096 *:10250 *:* users:((\"nginx\",pid=12,fd=7))\n")
            },
            .linux("ports", "a port of ours", .ok, "which runs") { host, _ in
                host.listening = .taken
                host.says("ss", "LISTEN 0 4096 *:10250 *:* users:((\"vk-adapter\",pid=12,fd=7))\n")
            },
            .linux("ports", "a node with a kubelet", .ok, "the kubelet's") { host, _ in
                host.listening = .taken
                host.says("ss", "LISTEN 0 4096 *:10250 *:* users:((\"kubelet\",pid=12,fd=7))\n")
            },
            .mac("ports", "a port in use on a Mac", .failure, "used by nginx", fix: "kubeletPort") { host, _ in
                host.listening = .taken
                host.says("lsof", "p12\ncnginx\nf7\n")
            },
            .linux("ports", "an address that is not here", .failure, "10.9.9.9", fix: "--listen") { host, subject in
                subject.kubeletPort = nil
                subject.listen = [.tcp(host: "10.9.9.9", port: 7443)]
                host.listening = .failed("Cannot assign requested address")
            },
            .linux("vm-host", "the program", .ok, "/bin/vm-host"),
            .linux("vm-host", "no program", .failure, "no program /bin/vm-host", fix: "vmHost:") { host, _ in
                host.files["/bin/vm-host"] = nil
            },
            .linux("vm-host", "a host without machines", nil) { $1.hasNoMachines = true },
            .linux("docker", "an engine", .ok, "Docker 29.0"),
            .linux("docker", "no engine", .warning, "no /docker.sock", fix: "systemctl start docker") { host, _ in
                host.dockerOutcome = .failed("no such file")
                host.files["/docker.sock"] = nil
            },
            .linux("docker", "no engine where nothing else runs pods", .failure, "no /docker.sock") { host, subject in
                host.dockerOutcome = .failed("no such file")
                host.files["/docker.sock"] = nil
                subject.hasNoMachines = true
            },
            .mac("docker", "no engine on a Mac", .warning, "no /docker.sock", fix: "colima start") { host, _ in
                host.dockerOutcome = .failed("no such file")
                host.files["/docker.sock"] = nil
            },
            .linux("docker", "a socket that is not ours", .failure, "not ours", fix: "usermod -aG docker me") {
                host, _ in
                host.dockerOutcome = .failed("permission denied")
                host.forbidden = ["/docker.sock"]
            },
            .linux("docker", "an engine that hangs", .failure, "took too long", fix: "systemctl restart docker") {
                host, _ in
                host.dockerOutcome = .failed("it took too long")
            },
            .linux("docker", "an engine far away", .failure, "tcp://far:2375", fix: "DOCKER_HOST") { host, subject in
                host.dockerOutcome = .failed("no route")
                subject.docker = .tcp(host: "far", port: 2375)
            },
            .linux("docker folders", "a directory it sees", .ok, "saw a file of /data"),
            .linux(
                "docker folders", "a directory it does not see", .failure, "do not see /data",
                fix: "colima start --mount /data:w"
            ) {
                host, _ in host.sees = .doesNotWork("a container saw no file there")
            },
            .linux("docker folders", "a directory that is not there yet", .ok, "saw a file of /") { host, _ in
                host.files["/data"] = nil
            },
            .linux("docker folders", "a directory that is not ours", .warning, "not ours", fix: "daemon's user") {
                host, _ in
                host.forbidden = ["/data"]
            },
            .linux(
                "docker folders", "an engine that does not make containers", .warning, "no space", fix: "docker info"
            ) {
                host, _ in host.sees = .unknown("no space")
            },
            .linux("docker folders", "no engine", nil) { host, _ in host.dockerOutcome = .failed("gone") },
            .linux("disk space", "plenty", .ok, "100 GiB of 200 GiB"),
            .linux("disk space", "little", .warning, "5 GiB", fix: "image prune") { host, _ in
                host.space = Space(freeBytes: 5 << 30, totalBytes: 200 << 30)
            },
            .linux("disk space", "little of a large disk", .warning, "30 GiB", fix: "image prune") { host, _ in
                host.space = Space(freeBytes: 30 << 30, totalBytes: 1000 << 30)
            },
            .linux("disk space", "next to nothing", .failure, "512 MiB", fix: "image prune") { host, _ in
                host.space = Space(freeBytes: 512 << 20, totalBytes: 200 << 30)
            },
            .linux("disk space", "nobody knows", .warning, "cannot be told", fix: "df -h /data") { host, _ in
                host.space = nil
            },
            .linux("clones", "a file system that clones", .ok, "shares"),
            .linux("clones", "overlays", .ok, "QEMU overlays") { host, _ in host.clone = .doesNotWork("not supported")
            },
            .mac("clones", "no APFS", .failure, "copy a whole disk", fix: "APFS") { host, _ in
                host.clone = .doesNotWork("not supported")
            },
            .linux("clones", "a full disk", .warning, "no space", fix: "df -h") { host, _ in
                host.clone = .unknown("no space")
            },
            .linux("clones", "a directory that is not ours", .warning, "not ours", fix: "daemon's user") { host, _ in
                host.forbidden = ["/data"]
            },
        ] + logins

    private static let ed25519 = PrivateKeyTests.openSSH("none", "ssh-ed25519")

    private static let logins: [Case] = [
        .linux("guest logins", "nobody", .ok, "only images that name a user"),
        .linux("guest logins", "a good key", .ok, "admin (guests: mac/*)") { host, subject in
            host.texts["/key"] = ed25519
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "no key file", .failure, "/key is not there", fix: "put it there") { _, subject in
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "a key others may read", .failure, "mode 0644", fix: "chmod 600 /key") { host, subject in
            host.texts["/key"] = ed25519
            host.files["/key"] = file(0o644)
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "an RSA key", .failure, "RSA key", fix: "ssh-keygen -t ed25519") { host, subject in
            host.texts["/key"] = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "a public key", .failure, "no private key", fix: "private half") { host, subject in
            host.texts["/key"] = "ssh-ed25519 AAAAC3 me\n"
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "a key with a passphrase", .failure, "passphrase", fix: "ssh-keygen -p -N '' -f /key") {
            host, subject in
            host.texts["/key"] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n"
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", keyFile: "/key")]
        },
        .linux("guest logins", "a key with a passphrase that is known", .ok) { host, subject in
            host.texts["/key"] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n"
            subject.logins = [.init(origin: "VZ_SSH_*", user: "admin", keyFile: "/key", hasPassphrase: true)]
        },
        .linux(
            "guest logins", "a user without anything", .failure, "neither key nor password",
            fix: "VZ_SSH_PRIVATE_KEY_PATH"
        ) {
            $1.logins = [.init(origin: "VZ_SSH_*", user: "admin")]
        },
        .linux("guest logins", "a password of nobody", .warning, "no user", fix: "VZ_SSH_USER") {
            $1.logins = [.init(origin: "VZ_SSH_*", hasPassword: true)]
        },
        .linux("guest logins", "an empty password file", .failure, "no password", fix: "write it") { host, subject in
            host.texts["/password"] = "\n"
            subject.logins = [.init(origin: "guests: mac/*", user: "admin", passwordFile: "/password")]
        },
        .linux("guest logins", "a key that is no base64", .failure, "no base64", fix: "base64 < KEYFILE") {
            $1.logins = [.init(origin: "VZ_SSH_*", user: "admin", keyBase64: "???")]
        },
        .linux("guest logins", "base64 of something else", .failure, "no private key", fix: "ssh-keygen") {
            $1.logins = [.init(origin: "VZ_SSH_*", user: "admin", keyBase64: "aGVsbG8=")]
        },
    ]
}
