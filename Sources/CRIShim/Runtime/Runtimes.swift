/// The runtimes there are, and which of them a request means.
struct Runtimes: Sendable {
    /// The one that the empty handler means.
    let standard: any ContainerRuntime
    let all: [any ContainerRuntime]

    init(standard: any ContainerRuntime, others: [any ContainerRuntime] = []) {
        self.standard = standard
        all = [standard] + others
    }

    /// What Status lists: the empty handler first.
    var handlers: [String] { [""] + all.map(\.name) }

    /// The runtime for a new sandbox; nil for the empty handler when its runtime does not answer: such a sandbox is only a
    /// record until a container joins.
    func forSandbox(handler: String) throws -> (any ContainerRuntime)? {
        if handler.isEmpty { return standard.health.isReady ? standard : nil }
        guard let runtime = named(handler) else {
            let known = handlers.map { $0.isEmpty ? "\"\"" : $0 }.joined(separator: ", ")
            throw ShimError(.invalidArgument, "there is no runtime handler \"\(handler)\" here; there are \(known)")
        }
        return runtime
    }

    /// nil for a sandbox that is only a record.
    func of(_ sandbox: SandboxEntry) throws -> (any ContainerRuntime)? {
        guard let name = sandbox.record.runtime else { return nil }
        return try known(name, for: "sandbox \(sandbox.id)")
    }

    func of(_ container: ContainerEntry) throws -> any ContainerRuntime {
        try known(container.runtime, for: "container \(container.id)")
    }

    private func known(_ name: String, for what: String) throws -> any ContainerRuntime {
        guard let runtime = named(name) else {
            throw ShimError(.failed, "\(what) belongs to the runtime \(name), which this program does not have")
        }
        return runtime
    }

    private func named(_ name: String) -> (any ContainerRuntime)? {
        all.first { $0.name == name }
    }
}
