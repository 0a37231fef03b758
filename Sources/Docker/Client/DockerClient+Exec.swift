import HTTP
import NIOHTTP1

private struct ExecStart: Encodable {
    let detach = false
    let tty: Bool
}

extension DockerClient {
    /// - Returns: the exec's id; it runs once ``startExec(_:tty:)`` is called.
    public func createExec(_ container: String, _ request: ExecCreateRequest) async throws -> String {
        let created: Created = try await post("/containers/\(PercentCoding.encode(container))/exec", json: request, timeout: .seconds(60))
        return created.id
    }

    public func startExec(_ exec: String, tty: Bool) async throws -> DockerStream {
        try await hijack("/exec/\(PercentCoding.encode(exec))/start", json: ExecStart(tty: tty), tty: tty)
    }

    public func inspectExec(_ exec: String) async throws -> ExecInspect {
        try await get("/exec/\(PercentCoding.encode(exec))/json")
    }

    public func resizeExec(_ exec: String, width: Int, height: Int) async throws {
        try await perform(.POST, "/exec/\(PercentCoding.encode(exec))/resize", [("h", "\(height)"), ("w", "\(width)")])
    }
}
