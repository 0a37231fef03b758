import Proto
import RPC

extension CRIService {
    func registerStatus(in router: inout Router) {
        let version = CRI.VersionResponse {
            $0.version = "0.1.0"
            $0.runtimeName = RuntimeInfo.name
            $0.runtimeVersion = info.version
            $0.runtimeApiVersion = RuntimeInfo.apiVersion
        }
        read(CRI.RuntimeService.version, in: &router) { _ in .now(version) }
        read(CRI.RuntimeService.status, in: &router) { request in .now(status(verbose: request.verbose)) }
        read(CRI.RuntimeService.runtimeConfig, in: &router) { _ in
            guard let engine = info.engine else {
                throw ShimError(
                    .unavailable,
                    "the cgroup driver is not known before the container engine answered: \(runtimes.standard.health.message)"
                )
            }
            return .now(
                .init {
                    $0.linux = .init { $0.cgroupDriver = engine.cgroupDriver == "systemd" ? .systemd : .cgroupfs }
                })
        }
        read(CRI.RuntimeService.updateRuntimeConfig, in: &router) { request in
            // The runtimes address their pods themselves; the range is kept to be shown.
            if let network = request.runtimeConfig?.networkConfig { info.podCIDR = network.podCidr }
            return .now(.init())
        }
    }

    private func status(verbose: Bool) -> CRI.StatusResponse {
        let health = health
        func condition(_ type: String, _ health: RuntimeHealth) -> CRI.RuntimeCondition {
            .init {
                $0.type = type
                $0.status = health.isReady
                $0.reason = health.reason
                $0.message = health.message
            }
        }
        return .init {
            $0.status = .init {
                $0.conditions = [condition("RuntimeReady", health), condition("NetworkReady", health)]
                if let disk = runtimes.machines?.options.disk {
                    $0.conditions.append(condition(Self.diskCondition, disk.health))
                }
            }
            $0.runtimeHandlers = runtimes.handlers.map { name in
                .init {
                    $0.name = name
                    $0.features = .init()
                }
            }
            $0.features = .init()
            if verbose { $0.info = details() }
        }
    }

    /// False when no virtual machine is made, because its disk is nearly full. Of our own; others say nothing like it.
    static let diskCondition = "VMDiskReady"

    /// The engine's, where there is one: where none was ever reached and no pod needs it, machines make a node as well.
    private var health: RuntimeHealth {
        let standard = runtimes.standard.health
        guard !standard.isReady, info.engine == nil, let machines = runtimes.machines, machines.health.isReady,
            !store.sandboxes(matching: nil).contains(where: { $0.record.runtime == runtimes.standard.name })
        else { return standard }
        return RuntimeHealth(isReady: true, reason: "MachinesOnly", message: standard.message)
    }

    private func details() -> [String: String] {
        let engine = info.engine ?? RuntimeInfo.Engine()
        let disk = runtimes.machines?.options.disk?.current ?? DiskState()
        var details = [
            "machines": JSONText.object([
                ("diskLevel", .text(disk.level.rawValue)),
                ("diskFreeBytes", .number(Int(clamping: disk.freeBytes))),
                ("diskReserveBytes", .number(Int(clamping: disk.reserveBytes))),
                ("diskProblem", .text(disk.problem ?? "")),
                ("pausedForDisk", JSONText.array(runtimes.machines?.pausedForDisk ?? [])),
            ]),
            "config": JSONText.object([
                ("version", .text(info.version)),
                ("podCIDR", .text(info.podCIDR)),
                ("handlers", JSONText.array(runtimes.handlers)),
            ]),
            "docker": JSONText.object([
                ("reachable", .flag(runtimes.standard.health.isReady)),
                ("version", .text(engine.version)),
                ("apiVersion", .text(engine.apiVersion)),
                ("operatingSystem", .text(engine.operatingSystem)),
                ("architecture", .text(engine.architecture)),
                ("kernel", .text(engine.kernel)),
                ("cgroupDriver", .text(engine.cgroupDriver)),
                ("cgroupVersion", .text(engine.cgroupVersion)),
                ("rootDirectory", .text(engine.rootDirectory)),
                ("storageDriver", .text(engine.storageDriver)),
                ("securityOptions", JSONText.array(engine.securityOptions)),
            ]),
        ]
        if let prePull, !prePull.entries.isEmpty { details["prePull"] = prePull.report }
        return details
    }
}
