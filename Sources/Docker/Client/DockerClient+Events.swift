import HTTP
import NIOHTTP1

extension DockerClient {
    /// What happens on the engine from now on, until it ends or the stream is dropped.
    public func events(filters: [String: [String]] = [:]) async throws -> JSONLines<DockerEvent> {
        let query = filters.isEmpty ? [] : [(name: "filters", value: try Self.filters(filters))]
        let response = try await send(.GET, "/events", query, timeout: .seconds(30))
        return JSONLines(bytes: response.body) { _ in }
    }
}
