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
    /// Those of its machines that have their own, by their places in the pod. They stay when a machine has ended, until the next
    /// at its place has one.
    var guestAddresses: [Int: String] = [:]
    /// The file of the network namespace that we made for it; nil for the host's and for its holder's.
    var ownNamespace: String?
    /// The holder's process as this host sees it; 0 when it does not run or runs elsewhere.
    var holderProcess = 0
    /// Its containers that are virtual machines and run. Kept by the store.
    var machines: Set<String> = []
    /// StopPodSandbox is at work.
    var isStopping = false

    var id: String { record.id }

    /// Ready from a successful RunPodSandbox until StopPodSandbox, while its holder or a virtual machine runs. A sandbox
    /// that is only a record, or only a network of ours, has no holder.
    var isReady: Bool {
        record.phase == .ready && (record.runtime == nil || holderRuns || !machines.isEmpty)
    }

    /// The file of the pod's network namespace; nil for the host's.
    var namespace: String? {
        if record.hasOwnNetwork == true { return ownNamespace }
        guard record.namespaces.network != 2, holderProcess > 0 else { return nil }
        return "/proc/\(holderProcess)/ns/net"
    }

    /// Its holder died while a machine lives in it.
    var needsHolderAgain: Bool {
        record.phase == .ready && !isStopping && record.runtime != nil && !holderRuns && !machines.isEmpty
    }

    /// What others reach the pod by; the first is the pod's. Empty until known.
    var podAddresses: [String] {
        guard record.hasGuestAddress == true else { return addresses }
        return guestAddresses.sorted { $0.key < $1.key }.map(\.value)
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
            let addresses = podAddresses
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
