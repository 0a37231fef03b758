import HTTP
import NIOHTTP1

extension DockerClient {
    /// - Parameters:
    ///   - labels: only containers with all of these (`name` or `name=value`).
    ///   - filters: others of the engine's filters: `status`, `name`, `id`, `ancestor`, …
    public func listContainers(
        all: Bool, labels: [String] = [], filters: [String: [String]] = [:]
    ) async throws -> [ContainerSummary] {
        var filters = filters
        if !labels.isEmpty { filters["label", default: []] += labels }
        var query: Query = [("all", all ? "1" : "0")]
        if !filters.isEmpty { query.append(("filters", try Self.filters(filters))) }
        return try await get("/containers/json", query)
    }

    /// - Throws: `notFound`.
    public func inspectContainer(_ id: String) async throws -> ContainerInspect {
        try await get("/containers/\(try Self.segment(id))/json")
    }

    /// - Returns: the new container's id.
    /// - Throws: `notFound` when the image is not here, `conflict` when the name is taken.
    public func createContainer(name: String, _ request: ContainerCreateRequest) async throws -> String {
        let created: Created = try await post(
            "/containers/create", [("name", name)], json: request, timeout: .seconds(120))
        return created.id
    }

    /// Starts a container; nothing to do when it runs.
    public func startContainer(_ id: String) async throws {
        do {
            try await call(.POST, "/containers/\(try Self.segment(id))/start", timeout: .seconds(120))
        } catch let error as DockerError where error.code == .notModified {
        }
    }

    /// Asks the container to stop and kills it after `timeout` (whole seconds, rounded up).
    /// - Throws: `notModified` when it does not run.
    public func stopContainer(_ id: String, timeout: Duration) async throws {
        let (seconds, rest) = timeout.components
        try await call(
            .POST, "/containers/\(try Self.segment(id))/stop", [("t", "\(max(0, seconds) + (rest > 0 ? 1 : 0))")],
            timeout: max(.zero, timeout) + .seconds(60))
    }

    /// - Parameter signal: `SIGTERM`, `TERM` or `15`.
    /// - Throws: `conflict` when it does not run.
    public func killContainer(_ id: String, signal: String) async throws {
        try await call(.POST, "/containers/\(try Self.segment(id))/kill", [("signal", signal)])
    }

    /// - Parameters:
    ///   - force: kills it first.
    ///   - volumes: removes its anonymous volumes too.
    /// - Throws: `conflict` when it runs or is being removed.
    public func removeContainer(_ id: String, force: Bool, volumes: Bool) async throws {
        try await call(
            .DELETE, "/containers/\(try Self.segment(id))", [("force", force ? "1" : "0"), ("v", volumes ? "1" : "0")],
            timeout: .seconds(120))
    }

    /// Returns when the container does not run.
    /// - Returns: its exit code.
    /// - Throws: `unavailable` when it still does after `limit`.
    @discardableResult
    public func waitContainer(_ id: String, untilNotRunningWithin limit: Duration) async throws -> Int {
        // The head of the answer comes at once, its body with the end.
        let path = "/containers/\(try Self.segment(id))/wait"
        let outcome: WaitOutcome = try Self.decode(
            try await call(.POST, path, [("condition", "not-running")], timeout: limit), path)
        if let complaint = outcome.error?.message, !complaint.isEmpty { throw DockerError(.failed, complaint) }
        return outcome.statusCode ?? 0
    }

    /// - Throws: `conflict` or `failed` where the engine cannot change a limit.
    public func updateContainer(_ id: String, _ update: ContainerUpdate) async throws {
        try await call(
            .POST, "/containers/\(try Self.segment(id))/update", body: .bytes(try DockerJSON.encode(update)),
            timeout: .seconds(60))
    }

    /// The size of a container's terminal, in characters.
    public func resizeContainer(_ id: String, width: Int, height: Int) async throws {
        try await call(
            .POST, "/containers/\(try Self.segment(id))/resize", [("h", "\(height)"), ("w", "\(width)")])
    }

    /// The container's log, stdout and stderr.
    /// - Parameters:
    ///   - follow: goes on with what comes until the container ends. Docker 20.10 may end it before the last messages
    ///     when they are read slowly, and leaves out a last line without an end: when the container has ended, read
    ///     once more without this, from the last message's time on.
    ///   - since: nanoseconds since 1970; that very moment is included.
    ///   - until: nanoseconds since 1970.
    ///   - tail: only this many messages before the end.
    ///   - tty: whether the container has a terminal: its log comes in another form.
    public func logs(
        _ id: String, follow: Bool, since: Int64? = nil, until: Int64? = nil, tail: Int? = nil, tty: Bool
    ) async throws -> LogEntries {
        var query: Query = [("stdout", "1"), ("stderr", "1"), ("timestamps", "1"), ("follow", follow ? "1" : "0")]
        if let since { query.append(("since", Self.seconds(since))) }
        if let until { query.append(("until", Self.seconds(until))) }
        if let tail { query.append(("tail", "\(max(0, tail))")) }
        return LogEntries(bytes: try await open(.GET, "/containers/\(try Self.segment(id))/logs", query), tty: tty)
    }

    /// The streams of a container's main process.
    public func attachContainer(
        _ id: String, stdin: Bool, stdout: Bool, stderr: Bool, tty: Bool
    ) async throws -> DockerStream {
        var query: Query = [("stream", "1")]
        for (name, wanted) in [("stdin", stdin), ("stdout", stdout), ("stderr", stderr)] where wanted {
            query.append((name, "1"))
        }
        // The engine would hold back each control-P and end the session at control-P control-Q. Bytes that no text has
        // instead; they are no UTF-8, so they are written encoded.
        let detachKeys = "&detachKeys=%FF%2C%FE%2C%FF%2C%FE"
        return try await hijack(
            "/containers/\(try Self.segment(id))/attach", rawQuery: PercentCoding.query(query) + detachKeys, tty: tty)
    }
}
