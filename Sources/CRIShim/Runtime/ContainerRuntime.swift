import Proto
import Streaming

/// Whether a runtime can be used now.
struct RuntimeHealth: Sendable, Equatable {
    var isReady: Bool
    /// One word, as a condition of Status has it: why it is not ready.
    var reason = ""
    /// What is wrong and what to do about it.
    var message = ""

    static let ready = RuntimeHealth(isReady: true)
}

/// What RunPodSandbox got from the runtime.
struct SandboxHolder: Sendable {
    /// The runtime's object that holds the namespaces.
    var id: String
    var addresses: [String]
    /// Its process as this host sees it; 0 when it runs elsewhere.
    var process = 0
    /// The file that all of the pod's containers have as /etc/hosts, where this host can write to it.
    var hostsFile: String?
}

/// A CreateContainer request with everything looked up that does not depend on the runtime.
struct ContainerCreation: Sendable {
    var sandbox: SandboxEntry
    var config: CRI.ContainerConfig
    /// Absolute; empty for a container without a log.
    var logPath: String
}

/// The end of an ExecSync.
struct ExecSyncOutcome: Sendable {
    var stdout: [UInt8]
    var stderr: [UInt8]
    var exitCode: Int32
}

/// What containers can be made of. The service layer speaks to nothing else: a further runtime joins by
/// being registered. A runtime reports everything that happens to its objects to the state store, also what nobody asked
/// for; when one of these calls returns, the store already shows its effect.
///
/// Every call throws `ShimError` with `unavailable` while ``health`` says the runtime is not there.
protocol ContainerRuntime: Sendable {
    /// Its handler in a RuntimeClass, and what sandbox records call it.
    var name: String { get }
    var health: RuntimeHealth { get }

    /// Makes a container and puts it into the store. Leaves nothing behind when it throws or is cancelled.
    func createContainer(_ creation: ContainerCreation) async throws -> String
    func startContainer(_ container: ContainerEntry) async throws
    /// Asks the container to end, and ends it after `timeout` seconds; at once with 0. Returns when it has ended.
    func stopContainer(_ container: ContainerEntry, timeout: Int64) async throws
    /// Ends and removes the container. Succeeds when it does not exist.
    func removeContainer(_ container: ContainerEntry) async throws
    func updateResources(_ container: ContainerEntry, _ resources: CRI.LinuxContainerResources) async throws
    /// Saves the container to a place on this host that one can go on from. It goes on running itself.
    /// - Parameter timeout: seconds; 0 is no limit of the caller's.
    func checkpoint(_ container: ContainerEntry, to location: String, timeout: Int64) async throws
    /// Closes and opens the log file by its path: after a rotation lines go to the new one.
    func reopenLog(_ container: ContainerEntry) async throws

    /// Runs a command to its end.
    /// - Parameter timeout: seconds; 0 is no limit. When it passes, or the task is cancelled, the command's process tree is
    ///   killed and `deadline` thrown.
    func execSync(_ container: ContainerEntry, command: [String], timeout: Int64) async throws -> ExecSyncOutcome
    /// Runs a command with its streams connected. Cancellation kills it.
    func exec(
        _ container: ContainerEntry, command: [String], options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult
    /// Connects to the container's main process.
    func attach(
        _ container: ContainerEntry, options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult
    /// Carries one connection to a port inside the sandbox, also to one that listens on its loopback only.
    func forward(_ sandbox: SandboxEntry, port: Int, connection: PortConnection) async throws

    /// What some of its containers use, by their ids; nothing of those of which nothing is known. Nobody is waited for
    /// longer than a moment.
    func measurements(of containers: [ContainerEntry]) async -> [String: Measurement]

    /// What `verbose` answers say about a container, beyond its status.
    func details(_ container: ContainerEntry) -> [String: String]
}

extension ContainerRuntime {
    func checkpoint(_ container: ContainerEntry, to location: String, timeout: Int64) async throws {
        throw ShimError(
            .unsupported, "container \(container.record.name) cannot be checkpointed: only virtual machines can")
    }
}

/// A runtime whose containers need something that holds their sandbox's namespaces.
protocol SandboxRuntime: ContainerRuntime {
    /// Whether its containers can join namespaces of this host.
    var joinsHostNamespaces: Bool { get }
    /// Whether holders can be started in a namespace whose address is not known yet, and be told of it later.
    func startsBeforeAddress() async -> Bool
    /// Makes and starts what holds the sandbox's namespaces. Leaves nothing behind when it throws or is cancelled.
    /// - Parameter network: the pod's, when it is one of ours: the holder joins its namespace. Without an address it is told
    ///   to ``announce(_:of:to:)`` afterwards.
    func startSandbox(_ record: SandboxRecord, network: PodNetwork?) async throws -> SandboxHolder
    /// What a holder has to know of a network that had no address when it was started.
    func announce(_ network: PodNetwork, of record: SandboxRecord, to holder: SandboxHolder) async throws
    /// Makes the holder of a living sandbox again after it died, and ends the containers that were joined to the old one.
    func restoreHolder(_ sandbox: SandboxEntry, network: PodNetwork?) async throws -> SandboxHolder
    /// Stops the holder at once. Succeeds when it does not run or does not exist.
    func stopSandbox(_ sandbox: SandboxEntry) async throws
    /// Removes the holder. Succeeds when it does not exist.
    func removeSandbox(_ sandbox: SandboxEntry) async throws
}

extension SandboxRuntime {
    func startsBeforeAddress() async -> Bool { false }
    func announce(_ network: PodNetwork, of record: SandboxRecord, to holder: SandboxHolder) async throws {}
}
