import HTTP
import NIOHTTP1

private struct ExecStart: Encodable {
    let detach = false
    let tty: Bool
}

extension DockerClient {
    /// - Returns: the exec's id; it runs once ``startExec(_:tty:)`` is called.
    /// - Throws: `conflict` when the container does not run.
    public func createExec(_ container: String, _ request: ExecCreateRequest) async throws -> String {
        let created: Created = try await post(
            "/containers/\(try Self.segment(container))/exec", json: request, timeout: .seconds(60))
        return created.id
    }

    /// - Parameter tty: as it was created with.
    public func startExec(_ exec: String, tty: Bool) async throws -> DockerStream {
        try await hijack(
            "/exec/\(try Self.segment(exec))/start", body: try DockerJSON.encode(ExecStart(tty: tty)), tty: tty)
    }

    public func inspectExec(_ exec: String) async throws -> ExecInspect {
        try await get("/exec/\(try Self.segment(exec))/json")
    }

    /// The size of its terminal, in characters.
    public func resizeExec(_ exec: String, width: Int, height: Int) async throws {
        try await call(.POST, "/exec/\(try Self.segment(exec))/resize", [("h", "\(height)"), ("w", "\(width)")])
    }
}
