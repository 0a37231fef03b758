import Logging
import Proto

/// The life of containers, as far as it does not depend on their runtime.
final class Containers: Sendable {
    let store: StateStore
    private let sandboxes: Sandboxes
    private let runtimes: Runtimes
    private let chooser: any RuntimeChooser
    private let names = NameReservations()
    private let logger: Logger

    init(
        store: StateStore, sandboxes: Sandboxes, runtimes: Runtimes, chooser: any RuntimeChooser, logger: Logger
    ) {
        self.store = store
        self.sandboxes = sandboxes
        self.runtimes = runtimes
        self.chooser = chooser
        self.logger = logger
    }

    /// - Returns: the new container's id.
    func create(_ request: CRI.CreateContainerRequest) async throws -> String {
        guard let config = request.config else {
            throw ShimError(.invalidArgument, "CreateContainer was called without a container config")
        }
        guard let metadata = config.metadata, !metadata.name.isEmpty else {
            throw ShimError(.invalidArgument, "the container's metadata must have a name")
        }
        guard let image = config.image, !image.image.isEmpty else {
            throw ShimError(.invalidArgument, "container \(metadata.name) names no image")
        }
        guard config.windows == nil else {
            throw ShimError(
                .invalidArgument, "container \(metadata.name) has a windows section; this node runs no Windows")
        }
        let found = try store.sandbox(request.podSandboxId)
        try store.requireKnown(found)
        let sandboxID = found.id
        let name = "\(sandboxID)/\(metadata.name)/\(metadata.attempt)"
        try names.reserve(name, what: "container \(metadata.name), attempt \(metadata.attempt)") {
            let existing = store.containers(inSandbox: sandboxID).first {
                $0.record.name == metadata.name && $0.record.attempt == metadata.attempt
            }
            guard let existing else { return }
            throw ShimError(
                .alreadyExists,
                "container \(metadata.name), attempt \(metadata.attempt), exists in its sandbox as \(existing.id)")
        }
        defer { names.release(name) }

        let runtime = try runtimes.known(
            try await chooser.runtime(for: config, in: found.record), for: "image \(image.image)")
        let sandbox = try await sandboxes.join(sandboxID, by: runtime)
        let directory = sandbox.record.logDirectory
        let logPath = directory.isEmpty || config.logPath.isEmpty ? "" : directory + "/" + config.logPath
        if let slash = logPath.lastIndex(of: "/") {
            guard !config.logPath.split(separator: "/").contains("..") else {
                throw ShimError(.invalidArgument, "the log path \(config.logPath) leaves the sandbox's log directory")
            }
            let parent = String(logPath[..<slash])
            try await RootDirectory.offload { try RootDirectory.makeDirectory(parent, mode: 0o755) }
        }
        let id = try await runtime.createContainer(
            ContainerCreation(sandbox: sandbox, config: config, logPath: logPath))
        log("container created", id, sandboxID, ["name": "\(metadata.name)", "image": "\(image.image)"])
        return id
    }

    func start(_ id: String) async throws {
        try store.requireContainersKnown(for: id)
        let container = try store.container(id)
        guard container.phase == .created else {
            throw ShimError(
                .wrongState, "container \(container.id) was started before: make a new one to run it again")
        }
        guard try store.sandbox(container.sandboxID).isReady else {
            throw ShimError(
                .wrongState, "container \(container.id) cannot start: its sandbox \(container.sandboxID) is not ready")
        }
        try await runtimes.of(container).startContainer(container)
        log("container started", container.id, container.sandboxID)
    }

    /// Unknown, not started or ended: nothing to do.
    func stop(_ id: String, timeout: Int64) async throws {
        try store.requireContainersKnown(for: id)
        guard let container = try store.containerIfPresent(id), container.phase != .exited else { return }
        try await runtimes.of(container).stopContainer(container, timeout: max(0, timeout))
        log("container stopped", container.id, container.sandboxID)
    }

    /// Unknown: nothing to do.
    func remove(_ id: String) async throws {
        try store.requireContainersKnown(for: id)
        guard let container = try store.containerIfPresent(id) else { return }
        try await runtimes.of(container).removeContainer(container)
        log("container removed", container.id, container.sandboxID)
    }

    func update(_ request: CRI.UpdateContainerResourcesRequest) async throws {
        let container = try store.container(request.containerId)
        guard request.windows == nil else {
            throw ShimError(.invalidArgument, "container \(container.id) has no Windows resources to change")
        }
        guard let resources = request.linux else { return }
        guard container.phase != .exited else {
            throw ShimError(.wrongState, "container \(container.id) has ended: its resources can no longer be changed")
        }
        try await runtimes.of(container).updateResources(container, resources)
        log("container resources changed", container.id, container.sandboxID)
    }

    func reopenLog(_ id: String) async throws {
        let container = try running(id, to: "reopen its log")
        try await runtimes.of(container).reopenLog(container)
    }

    /// A container that runs.
    func running(_ id: String, to what: String) throws -> ContainerEntry {
        try store.requireContainersKnown(for: id)
        let container = try store.container(id)
        guard container.phase == .running else {
            throw ShimError(.wrongState, "container \(container.id) must run to \(what); it is \(container.phase)")
        }
        return container
    }

    private func log(_ message: Logger.Message, _ id: String, _ sandbox: String, _ more: Logger.Metadata = [:]) {
        logger.info(message, metadata: more.merging(["container": "\(id)", "sandbox": "\(sandbox)"]) { $1 })
    }
}
