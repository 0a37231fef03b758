import Sockets

extension Check {
    static let dockerChecks = [
        Check("docker") { host, subject in
            switch await host.docker(at: subject.docker) {
            case .answers(let version, let system): return [.ok("\(version) on \(system), at \(subject.docker)")]
            case .failed(let why): return [await noDocker(why, host, subject)]
            }
        },
        Check("docker folders", deadline: .seconds(60)) { host, subject in
            guard case .answers = await host.docker(at: subject.docker) else { return [] }
            var verdicts: [Verdict] = []
            for directory in subject.sharedDirectories {
                let tried = await host.nearest(directory)
                guard await host.may(.write, tried) else {
                    verdicts.append(
                        .warning(
                            "whether Docker sees \(directory) cannot be tried: \(tried) is not ours to write to",
                            fix: "run cri-shim doctor as the daemon's user"))
                    continue
                }
                switch await host.tryDocker(at: subject.docker, sees: tried) {
                case .works: verdicts.append(.ok("a container saw a file of \(tried)"))
                case .doesNotWork(let why):
                    verdicts.append(
                        .failure(
                            "containers do not see \(tried): \(why)",
                            fix:
                                "share it with Docker's virtual machine (Docker Desktop: Settings, Resources, File sharing; "
                                + "Colima: colima start --mount \(tried):w), or use an engine on this host"))
                case .unknown(let why):
                    verdicts.append(
                        .warning(
                            "whether Docker sees \(tried) could not be tried: \(why)",
                            fix: "docker info says how the engine is; then run cri-shim doctor again"))
                }
            }
            return verdicts
        },
    ]

    private static func noDocker(_ why: String, _ host: any Host, _ subject: Subject) async -> Verdict {
        let what = "no Docker Engine answers at \(subject.docker): pods with containers wait"
        guard case .unix(let path) = subject.docker else {
            return .failure("\(what) (\(why))", fix: "start it, or name another one: --docker-host or DOCKER_HOST")
        }
        guard await host.look(at: path) != nil else {
            let start = host.system == .macOS ? "open -a Docker (or: colima start)" : "sudo systemctl start docker"
            // A host that runs machines alone needs none.
            return Verdict(
                level: subject.hasNoMachines ? .failure : .warning, what: "\(what); there is no \(path)",
                fix: "\(start); or name another engine: --docker-host or DOCKER_HOST")
        }
        guard await host.may(.write, path) else {
            return .failure(
                "\(what); \(path) is not ours to use",
                fix: "sudo usermod -aG docker \(host.environment["USER"] ?? "$USER"), then log in anew")
        }
        let restart = host.system == .macOS ? "restart Docker" : "sudo systemctl restart docker"
        return .failure("\(what) (\(why))", fix: "\(restart); journalctl -u docker, or its log, says why")
    }
}
