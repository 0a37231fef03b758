import HostFiles
import KubeAPI
import Logging
import Proto
import RPC
import Sockets

/// The host pods run on: this one, or the one behind a runtime that is reached over TCP.
struct RuntimeHost: Sendable {
    var facts: HostFacts
    /// `nil` where the runtime's host is this one.
    var remote: RemoteHost?
    /// Where the runtime's host keeps logs of pods; `nil` leaves it to us.
    var logDirectory: String?
    /// The name servers of a host that is another than this one.
    var resolvConf: ResolvConf?

    /// Volumes where the runtime's host has them.
    /// - Parameter root: the adapter's directory on this host.
    func volumes(root: String) -> any VolumeHost {
        remote.map { RemoteVolumeHost(host: $0, keepsGroups: facts.operatingSystem == "linux") as any VolumeHost }
            ?? LocalVolumeHost(root: root)
    }

    var logs: any LogHost { remote.map { RemoteLogHost(host: $0) as any LogHost } ?? LocalLogHost() }

    func apply(to mapping: inout MappingContext) {
        if let logDirectory { mapping.logRoot = logDirectory }
        if let resolvConf { mapping.resolvConf = resolvConf }
        guard remote != nil else { return }
        mapping.allocatable["memory"] = Quantity(bytes: Int64(clamping: facts.memoryBytes))
        mapping.allocatable["cpu"] = Quantity(value: Int64(facts.cpuCount))
    }

    func apply(to node: inout NodeDescription) {
        guard remote != nil else { return }
        node.info.operatingSystem = facts.operatingSystem
        node.info.architecture = facts.architecture
        node.info.kernelVersion = facts.kernelVersion
        node.info.machineID = facts.machineID
        node.info.systemUUID = facts.machineID
        node.info.bootID = facts.bootID
        node.info.osImage = facts.osImage.isEmpty ? "\(facts.operatingSystem) \(facts.kernelVersion)" : facts.osImage
        node.labels = NodeDescription.standardLabels(
            name: node.name, os: facts.operatingSystem, architecture: facts.architecture)
    }
}

extension DaemonSetup {
    /// How long a host that does not answer yet is waited for.
    static let hostPatience = Duration.seconds(60)

    /// Asks the runtime's host what it is, where that is another machine. A runtime behind a unix socket is on this one.
    /// - Throws: `unimplemented` for a runtime on another machine that has no host service; `unavailable` when it does not
    ///   answer.
    func runtimeHost(_ client: RPCClient, patience: Duration = hostPatience) async throws(AdapterError) -> RuntimeHost {
        guard case .tcp = configuration.runtime else {
            return RuntimeHost(facts: try await FileWork(pool: pool).run { HostFacts.current() })
        }
        let remote = RemoteHost(client: client, nodeName: configuration.nodeName)
        let info = try await answer(remote, until: .now + patience)
        var facts = HostFacts()
        facts.hostname = info.hostname
        facts.operatingSystem = info.operatingSystem
        facts.architecture = info.architecture
        facts.kernelVersion = info.kernelVersion
        facts.osImage = info.osImage
        facts.machineID = info.machineId
        facts.bootID = info.bootId
        facts.cpuCount = Int(info.cpuCount)
        facts.memoryBytes = info.memoryBytes
        let logs = info.podLogDirectory
        if !logs.isEmpty, logs != configuration.logRoot {
            logger.notice("the runtime's host keeps logs of pods in \(logs)")
        }
        var host = RuntimeHost(facts: facts, remote: remote, logDirectory: logs.isEmpty ? nil : logs)
        host.resolvConf = ResolvConf(parsing: String(decoding: info.resolvConf, as: UTF8.self))
        return host
    }

    private func answer(_ host: RemoteHost, until end: ContinuousClock.Instant) async throws(AdapterError)
        -> HostAPI.HostInfoResponse
    {
        let runtime = configuration.runtime
        var delay = Duration.milliseconds(200)
        var isFirst = true
        while true {
            do throws(AdapterError) {
                return try await host.call(
                    HostAPI.HostService.hostInfo, .init(), "ask the runtime's host at \(runtime) what it is",
                    .seconds(10))
            } catch {
                if error.code == .unimplemented {
                    throw AdapterError(
                        .unimplemented,
                        "the runtime at \(runtime) has no host service (vzcri.v1.HostService): its pods would get no volumes "
                            + "and no logs from here; run the adapter on its host, with a unix socket, or cri-shim there",
                        cause: error)
                }
                guard error.code == .unavailable, .now + delay < end else { throw error }
                if isFirst { logger.warning("waiting for the runtime's host: \(error)") }
                isFirst = false
            }
            do {
                try await Task.sleep(for: delay)
            } catch {
                throw AdapterError(.unavailable, "the adapter was ended while it waited for \(runtime)", cause: error)
            }
            delay = min(delay * 2, .seconds(5))
        }
    }
}
