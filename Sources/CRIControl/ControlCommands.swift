import Proto

/// The commands that ask once and print the answer. Sessions (exec, attach, port-forward) and logs have files of their
/// own.
public struct ControlCommands: Sendable {
    public let client: ControlClient
    public let output: ControlOutput
    /// Nanoseconds since 1970.
    let now: @Sendable () -> Int64

    public init(client: ControlClient, output: ControlOutput, now: @escaping @Sendable () -> Int64) {
        self.client = client
        self.output = output
        self.now = now
    }

    private func report(_ format: OutputFormat) -> Report { Report(format: format, now: now()) }

    public func version(_ format: OutputFormat) async throws {
        try await output.print(report(format).version(try await client.version()))
    }

    public func info(_ format: OutputFormat) async throws {
        try await output.print(report(format).info(try await client.status()))
    }

    /// Pods, newest first.
    /// - Parameters:
    ///   - name: only pods of this name.
    ///   - namespace: only pods of this namespace.
    ///   - readyOnly: leaves out what is not READY.
    ///   - quiet: full ids only.
    public func pods(
        _ format: OutputFormat, name: String? = nil, namespace: String? = nil, readyOnly: Bool = false,
        quiet: Bool = false
    ) async throws {
        let pods = try await client.pods().filter { pod in
            (name == nil || pod.metadata?.name == name) && (namespace == nil || pod.metadata?.namespace == namespace)
                && (!readyOnly || pod.state == .sandboxReady)
        }
        try await output.print(quiet ? Self.lines(pods.map(\.id)) : report(format).pods(pods))
    }

    /// Containers, newest first.
    /// - Parameters:
    ///   - all: also what does not run.
    ///   - pod: only containers of this pod (id, beginning of an id, name).
    ///   - quiet: full ids only.
    public func containers(
        _ format: OutputFormat, all: Bool = false, pod: String? = nil, quiet: Bool = false
    ) async throws {
        let sandbox: String? = if let pod { try await client.podID(pod) } else { nil }
        let containers = try await client.containers().filter { container in
            (all || container.state == .containerRunning) && (sandbox == nil || container.podSandboxId == sandbox)
        }
        if quiet { return try await output.print(Self.lines(containers.map(\.id))) }
        let pods = format == .table ? try await client.pods() : []
        try await output.print(report(format).containers(containers, pods: pods))
    }

    public func images(_ format: OutputFormat, quiet: Bool = false) async throws {
        let images = try await client.images()
        try await output.print(quiet ? Self.lines(images.map(\.id)) : report(format).images(images))
    }

    public func stats(_ format: OutputFormat) async throws {
        try await output.print(report(format).stats(try await client.containerStats()))
    }

    public func pull(_ image: String) async throws {
        try await output.print(Self.lines([try await client.pull(image)]))
    }

    public func inspect(container query: String) async throws {
        let status = try await client.containerStatus(try await client.containerID(query))
        try await output.print(report(.json).object(status))
    }

    public func inspect(pod query: String) async throws {
        let status = try await client.podStatus(try await client.podID(query))
        try await output.print(report(.json).object(status))
    }

    /// - Parameter grace: seconds before the kill.
    public func stop(containers queries: [String], grace: Int64) async throws {
        for query in queries {
            let id = try await client.containerID(query)
            try await client.stopContainer(id, grace: grace)
            try await output.print(Self.lines([id]))
        }
    }

    public func remove(containers queries: [String], force: Bool) async throws {
        for query in queries {
            let id = try await client.containerID(query)
            if force { try await client.stopContainer(id, grace: 0) }
            try await client.removeContainer(id)
            try await output.print(Self.lines([id]))
        }
    }

    public func stop(pods queries: [String]) async throws {
        for query in queries {
            let id = try await client.podID(query)
            try await client.stopPod(id)
            try await output.print(Self.lines([id]))
        }
    }

    public func remove(pods queries: [String], force: Bool) async throws {
        for query in queries {
            let id = try await client.podID(query)
            if force { try await client.stopPod(id) }
            try await client.removePod(id)
            try await output.print(Self.lines([id]))
        }
    }

    public func removeImages(_ images: [String]) async throws {
        for image in images { try await client.removeImage(image) }
    }

    /// What this client uses, and what the runtime tells a kubelet to use.
    /// - Parameter origin: where the endpoint was found, for the reader: `--endpoint`.
    public func config(origin: String) async throws {
        var table = Table(["SETTING", "VALUE", "FROM"])
        table.add(["endpoint", "\(client.endpoint)", origin])
        table.add(["timeout", "\(client.timeout.components.seconds)s", "--timeout"])
        do {
            let driver = try await client.runtimeConfig().linux?.cgroupDriver
            table.add(["cgroup driver", driver.map { "\($0)".lowercased() } ?? "not told", "the runtime"])
        } catch let error as ControlError {
            table.add(["cgroup driver", "unknown: \(error.message)", "the runtime"])
        }
        try await output.print(table.text)
    }

    static func lines(_ lines: [String]) -> String {
        lines.map { $0 + "\n" }.joined()
    }
}
