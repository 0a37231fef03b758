extension DockerClient {
    /// What a container uses now, from one look: the engine is not kept waiting for a second one. (One of API 1.40 takes
    /// two all the same, and about a second.)
    /// - Throws: `notFound`; `unavailable` when the engine does not answer within `timeout`.
    public func containerStats(_ id: String, timeout: Duration = .seconds(30)) async throws -> DockerContainerStats {
        try await get(
            "/containers/\(try Self.segment(id))/stats", [("stream", "0"), ("one-shot", "1")], timeout: timeout)
    }

    /// How much a container wrote to its own layer: the engine goes through its files for that.
    public func containerSize(_ id: String, timeout: Duration = .seconds(120)) async throws -> ContainerSize {
        try await get("/containers/\(try Self.segment(id))/json", [("size", "1")], timeout: timeout)
    }
}
