import KubeAPI
import Logging
import Proto

/// Asks the runtime's host again and again what it has: processors and memory, machines that may run at once, the disk, and
/// what is wrong with it. The node tells it, and pods are admitted by it.
struct HostFollower: Sendable {
    let provider: CRIProvider
    let resources: NodeResources
    /// Of containers, where the engine is another machine.
    let pool: ContainerPool
    let keeper: NodeKeeper
    /// Whether the host is another machine: its processors and memory are not known otherwise.
    let isRemote: Bool
    /// Nobody has said how many machines run at once.
    let followsSlots: Bool
    /// How large the disk is that pods' files are on; `nil` where nobody can tell.
    let disk: @Sendable () async throws -> UInt64?
    /// Between looks: other programs' machines count too.
    var interval: Duration = .seconds(60)
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            var pause = interval
            do {
                try await look()
            } catch {
                if Task.isCancelled { return }
                logger.debug("cannot learn what the host has: \(error)")
                pause = min(interval, .seconds(5))
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    func look() async throws {
        let info = try await provider.hostInfo()
        if let size = try await disk() {
            resources.set(NodeResources.disk, Quantity(bytes: Int64(clamping: size)))
        }
        if let info { take(info) }
        await keeper.update { node in
            node.capacity = resources.capacity
            node.allocatable = resources.allocatable
            node.host = HostState(info)
        }
    }

    private func take(_ info: HostAPI.HostInfoResponse) {
        let slots = info.machineSlots
        if followsSlots { resources.set(NodeDescription.slots, slots.map { Quantity(value: Int64($0)) }) }
        let engine = info.containerPool.flatMap { $0.cpuCount > 0 && $0.memoryBytes > 0 ? $0 : nil }
        pool.resize(
            engine.map {
                [
                    "cpu": Quantity(value: $0.cpuCount), "memory": Quantity(bytes: Int64(clamping: $0.memoryBytes)),
                ]
            } ?? [:])
        // A host that runs no machines has for pods what its engine has.
        if let engine, slots == 0 || slots == nil {
            resources.set("cpu", Quantity(value: engine.cpuCount))
            resources.set("memory", Quantity(bytes: Int64(clamping: engine.memoryBytes)))
        } else if isRemote || engine != nil, info.cpuCount > 0, info.memoryBytes > 0 {
            resources.set("cpu", Quantity(value: info.cpuCount))
            resources.set("memory", Quantity(bytes: Int64(clamping: info.memoryBytes)))
        }
    }
}

extension HostAPI.HostInfoResponse {
    /// How many machines of the host's own kind it runs at once; `nil` where it does not say. A Mac is there for Macs; how
    /// many others it runs besides is not what a scheduler asks for.
    var machineSlots: Int? {
        let own = operatingSystem == "darwin" ? "macos" : "linux"
        return slots.first { $0.guestOs == own }.map { max(0, Int($0.total) - Int($0.leaked)) }
    }
}

extension CRIProvider {
    /// What the runtime's host says of itself; `nil` where it has no host service.
    func hostInfo() async throws -> HostAPI.HostInfoResponse? {
        do {
            return try await call(HostAPI.HostService.hostInfo, .init(), "learn what the host has")
        } catch let error as AdapterError where error.code == .unimplemented {
            return nil
        }
    }
}
