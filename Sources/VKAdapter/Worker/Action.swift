import KubeAPI

/// One step towards what a pod should be.
enum Action: Sendable, Hashable {
    /// Ends what is left of the sandbox before, and makes a new one.
    case createSandbox(attempt: UInt32, replacing: String?)
    /// Gets the image, makes the container and starts it.
    case startContainer(name: String, attempt: UInt32, sandbox: String)
    /// Starts a container that was made before: the adapter died in between.
    case startCreated(id: String, name: String)
    /// Gets the image of a container of a pod that wants no more.
    case pullImage(name: String)
    case stopContainer(id: String, name: String, grace: Int64, why: String)
    /// Gives a running container the resources its pod has been promised.
    case resize(id: String, name: String)
    case removeContainer(id: String, name: String)
    case stopSandbox(id: String)
    case removeSandbox(id: String)
    /// Nothing is done for this container before that time, for that reason.
    case wait(name: String, reason: WaitingReason, until: Timestamp)
    /// The runtime has nothing of the pod any more: its files go too.
    case removeData

    /// What no other step may touch while this one runs: a container's name, or the sandbox.
    var subject: Subject {
        switch self {
        case .createSandbox, .stopSandbox, .removeSandbox, .removeData: .sandbox
        case .startContainer(let name, _, _), .startCreated(_, let name), .pullImage(let name), .wait(let name, _, _):
            .container(name)
        case .stopContainer(let id, _, _, _), .removeContainer(let id, _), .resize(let id, _): .run(id)
        }
    }

    /// Whether a container runs after it that did not before.
    var isStart: Bool {
        switch self {
        case .startContainer, .startCreated: true
        default: false
        }
    }

    enum Subject: Sendable, Hashable {
        case sandbox
        case container(String)
        /// One run of a container, by id.
        case run(String)
    }
}
