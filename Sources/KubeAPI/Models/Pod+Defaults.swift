extension Pod {
    /// Fills in what an API server fills in (`SetDefaults_Pod` and friends).
    public mutating func applyDefaults() {
        if metadata.namespace.isEmpty { metadata.namespace = "default" }
        if spec.restartPolicy.rawValue.isEmpty { spec.restartPolicy = .always }
        if spec.dnsPolicy.rawValue.isEmpty { spec.dnsPolicy = .clusterFirst }
        if spec.terminationGracePeriodSeconds == nil { spec.terminationGracePeriodSeconds = 30 }
        if spec.schedulerName.isEmpty { spec.schedulerName = "default-scheduler" }
        if spec.securityContext == nil { spec.securityContext = PodSecurityContext() }
        if spec.enableServiceLinks == nil { spec.enableServiceLinks = true }
        for index in spec.volumes.indices {
            if spec.volumes[index].isUnspecified { spec.volumes[index].emptyDir = EmptyDirVolume() }
            if spec.volumes[index].hostPath?.type == nil { spec.volumes[index].hostPath?.type = "" }
        }
        for index in spec.initContainers.indices { spec.initContainers[index].applyDefaults(spec) }
        for index in spec.containers.indices { spec.containers[index].applyDefaults(spec) }
        for index in spec.ephemeralContainers.indices { spec.ephemeralContainers[index].applyDefaults(spec) }
    }
}

extension Container {
    fileprivate mutating func applyDefaults(_ spec: PodSpec) {
        if terminationMessagePath.isEmpty { terminationMessagePath = "/dev/termination-log" }
        if terminationMessagePolicy.isEmpty { terminationMessagePolicy = "File" }
        if imagePullPolicy.rawValue.isEmpty { imagePullPolicy = Self.defaultPullPolicy(image: image) }
        livenessProbe?.applyDefaults()
        readinessProbe?.applyDefaults()
        startupProbe?.applyDefaults()
        lifecycle?.applyDefaults()
        for index in ports.indices {
            if ports[index].protocol.isEmpty { ports[index].protocol = "TCP" }
            if spec.hostNetwork, ports[index].hostPort == 0 { ports[index].hostPort = ports[index].containerPort }
        }
        for index in env.indices where env[index].valueFrom?.fieldRef?.apiVersion.isEmpty == true {
            env[index].valueFrom?.fieldRef?.apiVersion = "v1"
        }
        for (resource, limit) in resources.limits where resources.requests[resource] == nil {
            resources.requests[resource] = limit
        }
    }

    /// `Always` for the tag `latest` and for no tag, `IfNotPresent` for the rest.
    static func defaultPullPolicy(image: String) -> PullPolicy {
        if image.contains("@") { return .ifNotPresent }
        let name = image.split(separator: "/").last ?? ""
        guard let colon = name.lastIndex(of: ":") else { return .always }
        return name[name.index(after: colon)...] == "latest" ? .always : .ifNotPresent
    }
}
