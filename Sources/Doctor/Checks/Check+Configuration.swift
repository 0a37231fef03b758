import Sockets

extension Check {
    static let configurationChecks = [
        Check("configuration") { _, subject in
            if let error = subject.configurationError {
                return [
                    .failure(error, fix: "correct it; cri-shim serve --print-config shows every value and who said it")
                ]
            }
            guard !subject.configurationWarnings.isEmpty else { return [.ok("can be used")] }
            return subject.configurationWarnings.map { .warning($0, fix: "unset it here") }
        },
        Check("directories") { host, subject in
            var verdicts: [Verdict] = []
            for path in [subject.root, subject.state] {
                if let verdict = await directory(path, host, subject) { verdicts.append(verdict) }
            }
            guard verdicts.isEmpty else { return verdicts }
            let isThere = await host.look(at: subject.root) != nil
            return [
                .ok(
                    "\(subject.root) and \(subject.state) \(isThere ? "are private and ours" : "are made when the daemon starts")"
                )
            ]
        },
        Check("sockets") { host, subject in
            var verdicts: [Verdict] = []
            let limit = host.system == .macOS ? 103 : 107
            // Of a machine: <state>/m/<16 digits>/control
            let control = subject.state + "/m/0123456789abcdef/control"
            if control.utf8.count > limit {
                verdicts.append(
                    .failure(
                        "paths of machines' sockets below \(subject.state) have \(control.utf8.count) bytes; the system takes "
                            + "\(limit)",
                        fix: "name a shorter directory: --state or state: in the configuration"))
            }
            for case .unix(let path) in subject.listen {
                verdicts.append(await socket(path, limit, host, subject))
            }
            return verdicts
        },
        Check("ports") { host, subject in
            var verdicts: [Verdict] = []
            for case .tcp(let address, let port) in subject.listen where port != 0 {
                verdicts.append(await Self.port(port, on: address, of: "cri-shim", host, "--listen"))
            }
            if let port = subject.kubeletPort, port != 0 {
                verdicts.append(
                    await Self.port(port, on: "0.0.0.0", of: "vk-adapter", host, "kubeletPort: in the configuration"))
            }
            return verdicts
        },
    ]

    private static func directory(_ path: String, _ host: any Host, _ subject: Subject) async -> Verdict? {
        guard let facts = await host.look(at: path) else {
            let above = await host.nearest(path)
            guard await host.may(.write, above) else {
                return .failure(
                    "\(path) is not there and cannot be made in \(above)",
                    fix: "sudo install -d -m 0700 -o \(host.userID) \(path)")
            }
            return nil
        }
        guard facts.kind == .directory else {
            return .failure("\(path) is no directory", fix: "remove it, or name another one: --root, --state")
        }
        guard facts.owner == host.userID else {
            return .failure(
                "\(path) belongs to user \(facts.owner), and this is user \(host.userID)",
                fix: "run as the daemon's user, or: sudo chown -R \(host.userID) \(path)")
        }
        guard facts.mode & 0o022 == 0 else {
            return .failure(
                "others may write to \(path) (mode \(octal(facts.mode))), and so become root", fix: "chmod go-w \(path)"
            )
        }
        // The state directory holds the socket, which a group may be let in to.
        guard path == subject.root || facts.mode & 0o007 == 0 || subject.hasSocketGroup else {
            return .warning(
                "others may look into \(path) (mode \(octal(facts.mode)))", fix: "chmod o-rwx \(path)")
        }
        return nil
    }

    private static func socket(_ path: String, _ limit: Int, _ host: any Host, _ subject: Subject) async -> Verdict {
        guard path.utf8.count <= limit else {
            return .failure(
                "the path \(path) has \(path.utf8.count) bytes; the system takes \(limit)",
                fix: "choose a shorter one: --listen unix:///…")
        }
        guard let facts = await host.look(at: path) else { return .ok("\(path) is free: no daemon serves there now") }
        guard facts.kind == .socket else {
            return .failure("\(path) is no socket", fix: "rm \(path)")
        }
        let allowed: UInt32 = subject.hasSocketGroup ? 0o770 : 0o700
        guard facts.mode & 0o777 & ~allowed == 0 else {
            return .failure(
                "others may use \(path) (mode \(octal(facts.mode))): whoever may is root here",
                fix: "chmod \(subject.hasSocketGroup ? "660" : "600") \(path)")
        }
        switch await host.connect(to: .unix(path: path)) {
        case .connected: return .ok("a daemon answers at \(path)")
        case .refused, .absent: return .ok("\(path) is left of a daemon that ended; the next one replaces it")
        case .late:
            return .failure(
                "\(path) does not answer", fix: "see what the daemon that serves there does, and restart it")
        case .unreachable, .failed:
            return .warning("\(path) cannot be used", fix: "run as the daemon's user, or: ls -l \(path)")
        }
    }

    private static func port(
        _ port: Int, on address: String, of program: String, _ host: any Host, _ setting: String
    ) async -> Verdict {
        switch await host.listen(on: address, port: port) {
        case .free: return .ok("\(port), for \(program), is free")
        case .failed(let why):
            return .failure(
                "nothing can listen on \(address), port \(port): \(why)",
                fix: "choose another address or port: \(setting)")
        case .taken:
            let holder = await Self.holder(of: port, host)
            if let holder, holder == program { return .ok("\(port) is \(program)'s, which runs") }
            if holder == "kubelet" { return .ok("\(port) is the kubelet's: \(program) does not run beside it") }
            return .failure(
                "\(port), which \(program) needs, is \(holder.map { "used by \($0)" } ?? "in use")",
                fix: "end that program, or choose another port: \(setting)")
        }
    }

    /// The program that listens there.
    private static func holder(of port: Int, _ host: any Host) async -> String? {
        switch host.system {
        case .linux:
            // … users:(("cri-shim",pid=12,fd=7))
            let text = await host.output("ss", ["-Hltnp", "sport = :\(port)"])
            return text?.split(separator: "\"").dropFirst().first.map(String.init)
        case .macOS:
            // p12, ccri-shim, f7
            let text = await host.output("lsof", ["-nP", "-iTCP:\(port)", "-sTCP:LISTEN", "-Fc"])
            return text?.split(separator: "\n").first { $0.hasPrefix("c") }.map { String($0.dropFirst()) }
        }
    }

    static func octal(_ mode: UInt32) -> String { "0" + String(mode & 0o7777, radix: 8) }
}
