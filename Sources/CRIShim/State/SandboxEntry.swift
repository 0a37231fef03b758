import NIOCore
import Proto
import RPC

/// A sandbox as the state store holds it: its record and what its runtime last said.
struct SandboxEntry: Sendable {
    var record: SandboxRecord
    /// The runtime's object that holds the namespaces (a pause container), if there is one.
    var holder: String?
    /// Whether that object runs. Meaningless without one.
    var holderRuns = false
    /// Empty until known; the first is the pod's address.
    var addresses: [String] = []

    var id: String { record.id }

    /// Ready from a successful RunPodSandbox until StopPodSandbox, while its holder runs. A record-only sandbox has none.
    var isReady: Bool {
        record.phase == .ready && (record.runtime == nil || holderRuns)
    }

    var state: CRI.PodSandboxState { isReady ? .sandboxReady : .sandboxNotready }

    var metadata: CRI.PodSandboxMetadata {
        .init {
            $0.name = record.metadata.name
            $0.namespace = record.metadata.namespace
            $0.uid = record.metadata.uid
            $0.attempt = record.metadata.attempt
        }
    }

    /// The element of a list.
    var listed: CRI.PodSandbox {
        .init {
            $0.id = id
            $0.metadata = metadata
            $0.state = state
            $0.createdAt = record.createdAt
            $0.labels = record.labels
            $0.annotations = record.annotations
            $0.runtimeHandler = record.handler
        }
    }

    var status: CRI.PodSandboxStatus {
        .init {
            $0.id = id
            $0.metadata = metadata
            $0.state = state
            $0.createdAt = record.createdAt
            $0.labels = record.labels
            $0.annotations = record.annotations
            $0.runtimeHandler = record.handler
            if let first = addresses.first {
                $0.network = .init { network in
                    network.ip = first
                    network.additionalIps = addresses.dropFirst().map { address in .init { $0.ip = address } }
                }
            }
            $0.linux = .init { linux in
                linux.namespaces = .init { namespaces in
                    namespaces.options = .init { options in
                        options.network = .init(rawValue: record.namespaces.network)
                        options.pid = .init(rawValue: record.namespaces.pid)
                        options.ipc = .init(rawValue: record.namespaces.ipc)
                    }
                }
            }
        }
    }

    func matches(_ filter: CRI.PodSandboxFilter) -> Bool {
        if !filter.id.isEmpty, !id.hasPrefix(filter.id) { return false }
        if let wanted = filter.state, wanted.state != state { return false }
        return filter.labelSelector.allSatisfy { record.labels[$0.key] == $0.value }
    }
}
