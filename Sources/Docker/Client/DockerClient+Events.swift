import HTTP
import NIOHTTP1

extension DockerClient {
    /// What happens on the engine from now on, until it ends or the stream is dropped.
    /// - Parameters:
    ///   - filters: `type`, `event`, `label`, `container`, …
    ///   - since: nanoseconds since 1970: what happened from then on comes first, as far as the engine remembers.
    ///   - until: nanoseconds since 1970: the stream ends then.
    public func events(
        filters: [String: [String]] = [:], since: Int64? = nil, until: Int64? = nil
    ) async throws -> JSONLines<DockerEvent> {
        var query: Query = []
        if !filters.isEmpty { query.append(("filters", try Self.filters(filters))) }
        if let since { query.append(("since", Self.seconds(since))) }
        if let until { query.append(("until", Self.seconds(until))) }
        return JSONLines(bytes: try await open(.GET, "/events", query)) { _ in }
    }
}
