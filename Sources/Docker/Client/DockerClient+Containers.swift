import FoundationEssentials
import HTTP
import NIOCore
import NIOHTTP1

private struct NoBody: Encodable {}

extension DockerClient {
    /// Containers with all of `labels` (`name` or `name=value`).
    public func listContainers(all: Bool, labels: [String] = []) async throws -> [ContainerSummary] {
        var query = [(name: "all", value: all ? "1" : "0")]
        if !labels.isEmpty { query.append(("filters", try Self.filters(["label": labels]))) }
        return try await get("/containers/json", query)
    }

    public func inspectContainer(_ id: String) async throws -> ContainerInspect {
        try await get("/containers/\(PercentCoding.encode(id))/json")
    }

    /// - Returns: the new container's id.
    public func createContainer(name: String, _ request: ContainerCreateRequest) async throws -> String {
        let created: Created = try await post("/containers/create", [("name", name)], json: request, timeout: .seconds(120))
        return created.id
    }

    /// Starts a container; nothing to do when it runs.
    public func startContainer(_ id: String) async throws {
        do {
            try await perform(.POST, "/containers/\(PercentCoding.encode(id))/start", timeout: .seconds(120))
        } catch let error as DockerError where error.code == .notModified {
        }
    }

    /// Asks the container to stop and kills it after `timeout`.
    /// - Throws: `notModified` when it does not run.
    public func stopContainer(_ id: String, timeout: Duration) async throws {
        try await perform(
            .POST, "/containers/\(PercentCoding.encode(id))/stop", [("t", "\(timeout.components.seconds)")], timeout: timeout + .seconds(60))
    }

    /// - Throws: `conflict` when it does not run.
    public func killContainer(_ id: String, signal: String) async throws {
        try await perform(.POST, "/containers/\(PercentCoding.encode(id))/kill", [("signal", signal)])
    }

    public func removeContainer(_ id: String, force: Bool, volumes: Bool) async throws {
        try await perform(
            .DELETE, "/containers/\(PercentCoding.encode(id))", [("force", force ? "1" : "0"), ("v", volumes ? "1" : "0")],
            timeout: .seconds(120))
    }

    /// Returns when the container does not run.
    /// - Throws: `unavailable` when it still does after `limit`.
    public func waitContainer(_ id: String, untilNotRunningWithin limit: Duration) async throws {
        try await perform(.POST, "/containers/\(PercentCoding.encode(id))/wait", [("condition", "not-running")], timeout: limit)
    }

    public func updateContainer(_ id: String, _ update: ContainerUpdate) async throws {
        try await perform(
            .POST, "/containers/\(PercentCoding.encode(id))/update", body: .bytes(try DockerJSON.encode(update)), timeout: .seconds(60))
    }

    public func resizeContainer(_ id: String, width: Int, height: Int) async throws {
        try await perform(.POST, "/containers/\(PercentCoding.encode(id))/resize", [("h", "\(height)"), ("w", "\(width)")])
    }

    /// The container's log from `since` (nanoseconds since 1970, inclusive).
    /// - Parameter follow: goes on with what comes until the container ends.
    public func logs(_ id: String, follow: Bool, since: Int64? = nil, tty: Bool) async throws -> LogEntries {
        var query = [(name: "stdout", value: "1"), ("stderr", "1"), ("timestamps", "1"), ("follow", follow ? "1" : "0")]
        if let since {
            let nanoseconds = String(since % 1_000_000_000)
            let padded = String(repeating: "0", count: 9 - nanoseconds.utf8.count) + nanoseconds
            query.append(("since", "\(since / 1_000_000_000).\(padded)"))
        }
        let response = try await send(.GET, "/containers/\(PercentCoding.encode(id))/logs", query, timeout: .seconds(30))
        return LogEntries(bytes: response.body, tty: tty)
    }

    /// The streams of a container's main process.
    public func attachContainer(_ id: String, stdin: Bool, stdout: Bool, stderr: Bool, tty: Bool) async throws -> DockerStream {
        var query = [(name: "stream", value: "1")]
        for (name, wanted) in [("stdin", stdin), ("stdout", stdout), ("stderr", stderr)] where wanted { query.append((name, "1")) }
        return try await hijack("/containers/\(PercentCoding.encode(id))/attach", query, json: nil as NoBody?, tty: tty)
    }

    static func filters(_ filters: [String: [String]]) throws -> String {
        String(decoding: try JSONEncoder().encode(filters), as: UTF8.self)
    }
}
