import Logging
import Processes
import Synchronization

extension NamespacedNetworks {
    func adopt(known sandboxIDs: Set<String>) async throws {
        // No namespace is made before its record: what has none in the directory is another shim's.
        let onDisk = state.withLock { Set($0.networks.keys) }
        for id in onDisk.subtracting(sandboxIDs).sorted() {
            do {
                try await tearDown(sandbox: id)
                logger.warning("removed a leftover pod network", metadata: ["sandbox": "\(id)"])
            } catch {
                logger.error(
                    "a leftover pod network could not be removed; the next start tries again",
                    metadata: ["sandbox": "\(id)", "error": "\(error)"])
            }
        }
        try await adoptLiving()
        try await removeStrayLinks()
        await bridge.removeLeftovers()
    }

    private func adoptLiving() async throws {
        for network in state.withLock({ $0.networks.values.filter { $0.kind == .bridge } }) {
            guard try await self.network(of: network.sandbox) != nil else { continue }
            do {
                let range = try await bridge.join(network.sandbox)
                let isThere = network.addresses.compactMap { IPv4Address($0) }.allSatisfy(range.contains)
                if !isThere {
                    logger.error(
                        "a pod's address is outside of the range of pods: it cannot be reached before the range is as it was",
                        metadata: ["sandbox": "\(network.sandbox)", "range": "\(range)"])
                }
                try await hostPorts.hold(network.ports, for: network.sandbox)
            } catch {
                logger.error(
                    "what surrounds a pod's network is not as it should be",
                    metadata: ["sandbox": "\(network.sandbox)", "error": "\(error)"])
            }
        }
        try await publishPorts()
    }

    private func removeStrayLinks() async throws {
        let mine = state.withLock { Set($0.networks.values.compactMap(\.link)) }
        let strays = try await RootDirectory.offload { [names] in
            try RootDirectory.entries(of: "/sys/class/net").filter { names.isLink($0) && !mine.contains($0) }
        }
        guard !strays.isEmpty else { return }
        try await SystemNetwork.ip(strays.map { "link del \($0)" }, force: true)
        logger.warning("removed leftover devices", metadata: ["devices": "\(strays.joined(separator: " "))"])
    }
}
