/// The runtimes there are, and which of them a request means.
struct Runtimes: Sendable {
    /// The one that the empty handler means.
    let standard: any SandboxRuntime
    /// Virtual machines: their containers need a network only.
    let machines: VMRuntime?
    let all: [any ContainerRuntime]

    init(standard: any SandboxRuntime, machines: VMRuntime? = nil) {
        self.standard = standard
        self.machines = machines
        all = [standard] + (machines.map { [$0] } ?? [])
    }

    /// What Status lists: the empty handler first.
    var handlers: [String] { [""] + all.map(\.name) }

    /// Who holds a new sandbox's namespaces; nil for nobody: a sandbox of the handler `vm` has a network of ours until a
    /// container joins, and with the empty handler and an engine that does not answer it is only a record.
    func holder(handler: String) throws -> (any SandboxRuntime)? {
        if handler.isEmpty { return standard.health.isReady ? standard : nil }
        if handler == standard.name { return standard }
        guard let machines, machines.name == handler else {
            let known = handlers.map { $0.isEmpty ? "\"\"" : $0 }.joined(separator: ", ")
            throw ShimError(.invalidArgument, "there is no runtime handler \"\(handler)\" here; there are \(known)")
        }
        return nil
    }

    /// nil for a sandbox that nobody holds.
    func holder(of sandbox: SandboxEntry) throws -> (any SandboxRuntime)? {
        guard let name = sandbox.record.runtime else { return nil }
        guard name == standard.name else { throw missing(name, for: "sandbox \(sandbox.id)") }
        return standard
    }

    func of(_ container: ContainerEntry) throws -> any ContainerRuntime {
        try known(container.runtime, for: "container \(container.id)")
    }

    func known(_ name: String, for what: String) throws -> any ContainerRuntime {
        guard let runtime = all.first(where: { $0.name == name }) else { throw missing(name, for: what) }
        return runtime
    }

    private func missing(_ name: String, for what: String) -> ShimError {
        ShimError(.failed, "\(what) belongs to the runtime \(name), which this program does not have")
    }
}
