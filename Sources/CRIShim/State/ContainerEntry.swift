import NIOCore
import Proto
import RPC

/// A container as the state store holds it: its record and what its runtime last said.
struct ContainerEntry: Sendable {
    enum Phase: Sendable, Hashable {
        case created
        case running
        case exited
    }

    var id: String
    var sandboxID: String
    /// Which runtime made it.
    var runtime: String
    var record: ContainerRecord
    var phase = Phase.created
    /// Nanoseconds since 1970; 0 is "not yet".
    var createdAt: Int64 = 0
    var startedAt: Int64 = 0
    var finishedAt: Int64 = 0
    var exitCode: Int32 = 0
    var reason = ""
    var message = ""
    /// As the runtime's host sees it; 0 when it does not run.
    var processID = 0
    var resources: CRI.LinuxContainerResources?

    var state: CRI.ContainerState {
        switch phase {
        case .created: .containerCreated
        case .running: .containerRunning
        case .exited: .containerExited
        }
    }

    var metadata: CRI.ContainerMetadata {
        .init {
            $0.name = record.name
            $0.attempt = record.attempt
        }
    }

    var image: CRI.ImageSpec {
        .init {
            $0.image = record.image.image
            $0.userSpecifiedImage = record.image.userSpecified
            $0.runtimeHandler = record.image.handler
            $0.annotations = record.image.annotations ?? [:]
        }
    }

    /// The element of a list.
    var listed: CRI.Container {
        .init {
            $0.id = id
            $0.podSandboxId = sandboxID
            $0.metadata = metadata
            $0.image = image
            $0.imageRef = record.imageID
            $0.imageId = record.imageID
            $0.state = state
            $0.createdAt = createdAt
            $0.labels = record.labels
            $0.annotations = record.annotations
        }
    }

    var status: CRI.ContainerStatus {
        .init {
            $0.id = id
            $0.metadata = metadata
            $0.state = state
            $0.createdAt = createdAt
            $0.startedAt = startedAt
            $0.finishedAt = finishedAt
            $0.exitCode = exitCode
            $0.image = image
            $0.imageRef = record.imageID
            $0.imageId = record.imageID
            $0.reason = reason
            $0.message = message
            $0.labels = record.labels
            $0.annotations = record.annotations
            $0.mounts = record.mounts.map { mount in
                .init {
                    $0.containerPath = mount.containerPath
                    $0.hostPath = mount.hostPath
                    $0.readonly = mount.readOnly
                    $0.selinuxRelabel = mount.relabel
                    $0.propagation = .init(rawValue: mount.propagation)
                }
            }
            $0.logPath = record.logPath
            if let resources {
                $0.resources = .init { $0.linux = resources }
            }
            if let user = record.user {
                $0.user = .init {
                    $0.linux = .init {
                        $0.uid = user.uid
                        $0.gid = user.gid
                        $0.supplementalGroups = user.groups
                    }
                }
            }
            $0.stopSignal = .init(rawValue: record.stopSignal)
        }
    }

    func matches(_ filter: CRI.ContainerFilter) -> Bool {
        if !filter.id.isEmpty, !id.hasPrefix(filter.id) { return false }
        if !filter.podSandboxId.isEmpty, !sandboxID.hasPrefix(filter.podSandboxId) { return false }
        if let wanted = filter.state, wanted.state != state { return false }
        return filter.labelSelector.allSatisfy { record.labels[$0.key] == $0.value }
    }
}
