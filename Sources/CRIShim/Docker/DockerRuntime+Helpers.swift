import Docker

extension DockerRuntime {
    func helperLabels(for sandbox: String) -> [String: String] {
        [
            DockerLabels.instance: root.instance, DockerLabels.kind: DockerLabels.Kind.helper,
            DockerLabels.sandbox: sandbox,
        ]
    }

    /// Makes a short-lived container of our own program and removes it when `body` is through with it.
    func withHelper<R: Sendable>(
        _ purpose: String, _ request: ContainerCreateRequest, _ body: (String) async throws -> R
    ) async throws -> R {
        let id = try await client.createContainer(name: "vzcri_\(purpose)_\(Identifiers.hex(12))", request)
        do {
            let result = try await body(id)
            await discard(id)
            return result
        } catch {
            // Also when the caller is gone.
            try await shielded { [self] in await discard(id) }
            throw error
        }
    }
}
