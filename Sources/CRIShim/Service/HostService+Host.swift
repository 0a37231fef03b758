import HostFiles
import NIOCore
import Proto
import RPC
import VZEngine
import Waiting

extension HostService {
    func registerHost(in router: inout Router) {
        work(HostAPI.HostService.hostInfo, in: &router) { _ in
            let (facts, resolvers) = try await RootDirectory.offload {
                (HostFacts.current(), try ResolverFile.read("/etc/resolv.conf"))
            }
            var answer = try info(facts)
            answer.resolvConf = resolvers ?? []
            return answer
        }
        stream(HostAPI.HostService.watchHostStats, in: &router) { request, writer in
            let interval = request.intervalSeconds == 0 ? 10 : min(request.intervalSeconds, 3600)
            let places = [("nodefs", root), ("imagefs", root + "/machines")]
            repeat {
                try await writer.write(try await RootDirectory.offload { try Self.stats(places) })
            } while await !closing.wait(atMost: .seconds(interval)) && !Task.isCancelled
        }
    }

    private func info(_ facts: HostFacts) throws -> HostAPI.HostInfoResponse {
        let engine = docker.info.engine
        // An engine of a Mac, or one reached over the network, has processors and memory of its own.
        let isElsewhere = facts.operatingSystem != "linux" || !docker.isLocal
        let addresses = try Self.addresses()
        return .init {
            $0.hostname = facts.hostname
            $0.operatingSystem = facts.operatingSystem
            $0.architecture = facts.architecture
            $0.kernelVersion = facts.kernelVersion
            $0.osImage = facts.osImage
            $0.machineId = facts.machineID
            $0.bootId = facts.bootID
            $0.systemUuid = facts.machineID
            $0.cpuCount = Int64(facts.cpuCount)
            $0.memoryBytes = facts.memoryBytes
            $0.slots = Self.pools(slots.snapshot)
            $0.conditions = conditions
            $0.addresses = addresses
            $0.podAddressesLocal = !isElsewhere
            if isElsewhere, let engine, engine.cpuCount > 0 {
                $0.containerPool = .init {
                    $0.cpuCount = Int64(engine.cpuCount)
                    $0.memoryBytes = engine.memoryBytes
                }
            }
            $0.podLogDirectory = logs.path
        }
    }

    static func pools(_ ledger: SlotLedger) -> [HostAPI.SlotPool] {
        ledger.totals.sorted { $0.key.rawValue < $1.key.rawValue }.map { guest, total in
            .init {
                $0.guestOs = guest.rawValue
                $0.total = Int32(clamping: total)
                $0.used = Int32(clamping: ledger.taken(guest))
                $0.leaked = Int32(clamping: ledger.leaks[guest] ?? 0)
            }
        }
    }

    /// Those others may reach this host at.
    private static func addresses() throws -> [String] {
        try System.enumerateDevices().compactMap { device in
            guard let text = device.address?.ipAddress?.lowercased() else { return nil }
            let isInner =
                text.hasPrefix("127.") || text.hasPrefix("169.254.") || text == "::1" || text.hasPrefix("fe80")
            return isInner ? nil : text
        }
    }

    private static func stats(_ places: [(name: String, path: String)]) throws -> HostAPI.HostStats {
        let usage = try HostUsage.current()
        let systems = try places.compactMap { name, path -> HostAPI.FileSystemStats? in
            // Where nothing was kept yet there is no directory.
            guard try SystemFiles.status(path) != nil else { return nil }
            let space = try FileSystemSpace(path: path)
            return .init {
                $0.name = name
                $0.capacityBytes = space.capacityBytes
                $0.availableBytes = space.availableBytes
                $0.inodes = space.inodes
                $0.inodesFree = space.inodesFree
            }
        }
        return .init {
            $0.timestamp = Timestamps.now()
            $0.cpuUsageCoreNanoSeconds = usage.cpuNanoseconds
            $0.memoryAvailableBytes = usage.memoryAvailableBytes
            $0.memoryWorkingSetBytes = usage.memoryWorkingSetBytes
            $0.fileSystems = systems
            $0.processes = usage.processes
            $0.processLimit = usage.processLimit
        }
    }
}
