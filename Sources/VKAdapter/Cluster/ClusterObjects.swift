import KubeAPI

/// Where the objects a pod's environment names are had.
protocol ObjectSource: Sendable {
    /// The ConfigMaps and Secrets that are there of those a container names.
    /// - Throws: when it cannot be said whether they are there.
    func objects(for container: Container, of pod: Pod) async throws -> KeyedObjects
}

/// Those of an API server: one by one, as a node may (never a whole namespace's).
struct ClusterObjects: ObjectSource {
    let client: KubeClient

    func objects(for container: Container, of pod: Pod) async throws -> KeyedObjects {
        var names: (maps: Set<String>, secrets: Set<String>) = ([], [])
        for variable in container.env {
            if let map = variable.valueFrom?.configMapKeyRef { names.maps.insert(map.name) }
            if let secret = variable.valueFrom?.secretKeyRef { names.secrets.insert(secret.name) }
        }
        for source in container.envFrom {
            if let map = source.configMapRef { names.maps.insert(map.name) }
            if let secret = source.secretRef { names.secrets.insert(secret.name) }
        }
        var objects = KeyedObjects()
        let namespace = pod.metadata.namespace
        for name in names.maps {
            objects.configMaps[name] = try await found {
                try await client.get(.configMaps, namespace: namespace, name: name).contents
            }
        }
        for name in names.secrets {
            objects.secrets[name] = try await found {
                try await client.get(.secrets, namespace: namespace, name: name).contents
            }
        }
        return objects
    }

    private func found(_ get: () async throws -> [String: [UInt8]]) async throws -> [String: [UInt8]]? {
        do {
            return try await get()
        } catch let error as KubeAPIError where error.isNotFound {
            return nil
        }
    }
}
