import KubeAPI

/// The secrets, config maps and claims a pod uses, by name.
enum PodReferences {
    static func of(_ pod: Value, _ plural: String) -> Set<String> {
        var names: Set<String> = []
        func add(_ value: Value?) { if let name = value?.string { names.insert(name) } }
        if plural == "persistentvolumeclaims" {
            for volume in pod.at("spec", "volumes")?.array ?? [] {
                add(volume.at("persistentVolumeClaim", "claimName"))
                guard volume["ephemeral"] != nil, let own = volume["name"]?.string,
                    let name = pod.at("metadata", "name")?.string
                else { continue }
                names.insert("\(name)-\(own)")
            }
            return names
        }
        let isSecret = plural == "secrets"
        for volume in pod.at("spec", "volumes")?.array ?? [] {
            add(isSecret ? volume.at("secret", "secretName") : volume.at("configMap", "name"))
            for source in volume.at("projected", "sources")?.array ?? [] {
                add(source.at(isSecret ? "secret" : "configMap", "name"))
            }
        }
        if isSecret { for secret in pod.at("spec", "imagePullSecrets")?.array ?? [] { add(secret["name"]) } }
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in pod.at("spec", list)?.array ?? [] {
                for variable in container["env"]?.array ?? [] {
                    add(variable.at("valueFrom", isSecret ? "secretKeyRef" : "configMapKeyRef", "name"))
                }
                for source in container["envFrom"]?.array ?? [] {
                    add(source.at(isSecret ? "secretRef" : "configMapRef", "name"))
                }
            }
        }
        return names
    }
}
