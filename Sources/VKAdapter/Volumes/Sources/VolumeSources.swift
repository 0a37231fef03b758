import HostFiles
import KubeAPI

/// What is in the volumes of a pod: pure functions of the pod and of what the cluster has. Texts are the kubelet's.
struct VolumeSources {
    let pod: Pod
    let context: MappingContext
    let material: VolumeMaterial
    /// Whether there is a cluster to have objects from.
    var hasCluster = true

    private var group: Int64? { pod.spec.securityContext?.fsGroup }

    /// The user all containers run as; `nil` where they are several or the images say.
    private var user: UInt32? {
        let users = Set(
            (pod.spec.initContainers + pod.spec.containers).map {
                $0.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
            })
        guard users.count == 1, let user = users.first else { return nil }
        return user.flatMap { UInt32(exactly: $0) }
    }

    /// The files of a volume that is made of the pod and of objects; `nil` for a path of the host.
    func content(of volume: Volume) throws(AdapterError) -> VolumeContent? {
        var files = VolumeFiles()
        if let source = volume.configMap {
            try add(source, mode: source.defaultMode, to: &files)
        } else if let source = volume.secret {
            try addSecret(
                source.secretName, source.items, mode: source.defaultMode, isOptional: source.optional, to: &files)
        } else if let source = volume.downwardAPI {
            try add(source, mode: source.defaultMode, to: &files)
        } else if let source = volume.projected {
            try add(source, to: &files)
        } else if volume.hostPath != nil || volume.claimName(of: pod) != nil {
            return nil
        } else {
            return try emptyDirectory(volume)
        }
        return try files.content(group: group)
    }

    private func emptyDirectory(_ volume: Volume) throws(AdapterError) -> VolumeContent {
        if volume.emptyDir == nil, let kind = volume.unknownFields.first?.name {
            throw AdapterError(
                .invalidArgument,
                "volumes of kind \(kind) are not supported by this node: use emptyDir, hostPath, configMap, secret, "
                    + "downwardAPI, projected or a persistentVolumeClaim bound to a hostPath or local volume")
        }
        let source = volume.emptyDir ?? EmptyDirVolume()
        guard ["", "Memory"].contains(source.medium) else {
            throw AdapterError(.invalidArgument, "the medium \(source.medium) is not supported: use Memory or none")
        }
        var limit: UInt64?
        if let size = source.sizeLimit, size.value > 0 { limit = UInt64(size.value) }
        return .empty(isMemory: source.medium == "Memory", sizeLimit: limit, group: group)
    }

    // MARK: Objects

    private func add(_ source: ConfigMapVolume, mode: Int32?, to files: inout VolumeFiles) throws(AdapterError) {
        let keys = try keys("configmap", source.name, material.objects.configMaps, isOptional: source.optional)
        try add(
            keys, source.items, mode: mode, "configmap references non-existent config key",
            isOptional: source.optional, to: &files)
    }

    private func addSecret(
        _ name: String, _ items: [KeyToPath], mode: Int32?, isOptional: Bool?, to files: inout VolumeFiles
    ) throws(AdapterError) {
        let keys = try keys("secret", name, material.objects.secrets, isOptional: isOptional)
        try add(
            keys, items, mode: mode, "references non-existent secret key", isOptional: isOptional, to: &files)
    }

    /// The keys of an object; none where it is not there and need not be.
    private func keys(_ kind: String, _ name: String, _ objects: [String: [String: [UInt8]]], isOptional: Bool?)
        throws(AdapterError) -> [String: [UInt8]]
    {
        if let keys = objects[name] { return keys }
        if isOptional == true { return [:] }
        guard hasCluster else {
            throw AdapterError(
                .invalidArgument,
                "a \(kind) volume needs an API server, and there is none in standalone mode: use hostPath")
        }
        throw AdapterError(.notFound, "\(kind) \"\(name)\" not found")
    }

    private func add(
        _ keys: [String: [UInt8]], _ items: [KeyToPath], mode: Int32?, _ missing: String, isOptional: Bool?,
        to files: inout VolumeFiles
    ) throws(AdapterError) {
        let mode = mode ?? 0o644
        if items.isEmpty {
            for (key, value) in keys { try files.add(key, value, mode: mode) }
        }
        for item in items {
            guard let value = keys[item.key] else {
                if isOptional == true { continue }
                throw AdapterError(.notFound, "\(missing): \(item.key)")
            }
            try files.add(item.path, value, mode: item.mode ?? mode)
        }
    }

    // MARK: The pod itself

    private func add(_ source: DownwardAPIVolume, mode: Int32?, to files: inout VolumeFiles) throws(AdapterError) {
        for item in source.items {
            let text: String
            if let reference = item.fieldRef {
                text = try field(reference.fieldPath)
            } else if let reference = item.resourceFieldRef {
                guard let owner = pod.spec.containers.first,
                    let value = Environment.resource(reference, pod, owner, context)
                else {
                    throw AdapterError(
                        .invalidArgument,
                        "the resource \"\(reference.resource)\" of container \"\(reference.containerName)\" is not there"
                    )
                }
                text = value
            } else {
                throw AdapterError(
                    .invalidArgument, "the file \"\(item.path)\" has neither fieldRef nor resourceFieldRef")
            }
            try files.add(item.path, Array(text.utf8), mode: item.mode ?? mode ?? 0o644)
        }
    }

    private func field(_ path: String) throws(AdapterError) -> String {
        switch path {
        case "metadata.labels": return Self.lines(pod.metadata.labels)
        case "metadata.annotations": return Self.lines(pod.metadata.annotations)
        default:
            guard let value = Environment.field(path, pod, podIPs: pod.status.podIPs.map(\.ip), context) else {
                throw AdapterError(.invalidArgument, "the field path \"\(path)\" is not supported")
            }
            return value
        }
    }

    /// `key="value"`, by key, one in a line.
    static func lines(_ map: [String: String]) -> String {
        map.sorted { $0.key < $1.key }.map { "\($0.key)=\(GoText.quoted($0.value))" }.joined(separator: "\n")
    }

    // MARK: Several together

    private func add(_ volume: ProjectedVolume, to files: inout VolumeFiles) throws(AdapterError) {
        let mode = volume.defaultMode ?? 0o644
        for source in volume.sources {
            if let map = source.configMap {
                try add(map, mode: mode, to: &files)
            } else if let secret = source.secret {
                try addSecret(secret.name, secret.items, mode: mode, isOptional: secret.optional, to: &files)
            } else if let fields = source.downwardAPI {
                try add(fields, mode: mode, to: &files)
            } else if let projection = source.serviceAccountToken {
                guard let token = material.tokens[TokenKey(projection, of: pod)] else {
                    throw AdapterError(
                        .invalidArgument,
                        "a service account's token needs an API server, and there is none in standalone mode")
                }
                // With a group it becomes 0640: nobody else reads it.
                let user = user
                try files.add(
                    projection.path, Array(token.utf8), mode: group == nil && user == nil ? mode : 0o600, owner: user)
            } else if let projection = source.clusterTrustBundle {
                try add(projection, mode: mode, to: &files)
            } else {
                let kind = source.unknownFields.first?.name ?? "nothing"
                throw AdapterError(.invalidArgument, "a projection of \(kind) is not supported by this node")
            }
        }
    }

    private func add(_ projection: TrustBundleProjection, mode: Int32, to files: inout VolumeFiles)
        throws(AdapterError)
    {
        let text = TrustBundles.pem(material.bundles[projection] ?? [])
        if text.isEmpty, projection.optional != true {
            let what =
                projection.name.map { "ClusterTrustBundle \"\($0)\"" }
                ?? "a ClusterTrustBundle of signer \"\(projection.signerName ?? "")\""
            throw AdapterError(.notFound, "\(what) not found, or it is not served by this cluster")
        }
        try files.add(projection.path, Array(text.utf8), mode: mode)
    }
}
