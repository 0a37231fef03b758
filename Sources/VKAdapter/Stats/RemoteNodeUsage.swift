import HostFiles
import KubeAPI
import Proto
import RPC

/// The machine the runtime is on, as its host service tells.
struct RemoteNodeUsage: NodeUsageSource {
    let host: RemoteHost
    let facts: HostFacts

    func usage() async throws -> NodeUsage {
        let report = try await report()
        var usage = NodeUsage(time: Timestamp(nanosecondsSince1970: report.timestamp))
        usage.processors = facts.cpuCount
        usage.processorNanoseconds = report.cpuUsageCoreNanoSeconds
        var memory = NodeUsage.Memory()
        memory.capacity = facts.memoryBytes
        memory.available = report.memoryAvailableBytes
        memory.workingSet = report.memoryWorkingSetBytes
        usage.memory = memory
        usage.rootFileSystem = Self.fileSystem("nodefs", report)
        return usage
    }

    /// Its images are in one place, whatever the runtime calls it.
    func fileSystem(at path: String) async throws -> FileSystemUsage? {
        Self.fileSystem("imagefs", try await report())
    }

    /// The first of the reports, which comes at once.
    private func report() async throws(AdapterError) -> HostAPI.HostStats {
        do {
            let reports = try host.client.stream(
                HostAPI.HostService.watchHostStats, .init { $0.intervalSeconds = 3600 }, timeout: .seconds(5))
            for try await report in reports { return report }
        } catch {
            throw RemoteHost.error(error, "ask the runtime's host what it uses")
        }
        throw AdapterError(.unavailable, "the runtime's host ended its report before it began")
    }

    private static func fileSystem(_ name: String, _ report: HostAPI.HostStats) -> FileSystemUsage? {
        guard let disk = report.fileSystems.first(where: { $0.name == name }) else { return nil }
        return FileSystemUsage(
            capacity: disk.capacityBytes, available: disk.availableBytes,
            used: disk.capacityBytes - min(disk.availableBytes, disk.capacityBytes), inodes: disk.inodes,
            freeInodes: disk.inodesFree)
    }
}
