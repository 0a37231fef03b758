import KubeAPI

/// Where the objects a container's environment names are had.
protocol ObjectSource: Sendable {
    /// The ConfigMaps and Secrets that are there of those a container names, and the variables of services.
    /// - Throws: when it cannot be said whether they are there.
    func objects(for container: Container, of pod: Pod) async throws -> KeyedObjects
}
