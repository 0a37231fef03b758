import KubeAPI

/// The variables that tell a container of services (kubelet `envvars.FromServices`).
struct ServiceVariables: Sendable, Hashable {
    /// Where pods reach the API server, when not at the address of its service.
    struct Master: Sendable, Hashable {
        var host: String
        var port: Int32
    }

    /// All that are known of the cluster.
    var services: [ClusterService] = []
    var master: Master?

    /// By service, then as the kubelet makes them.
    func variables(for pod: Pod) -> [EnvVar] {
        var chosen: [String: ClusterService] = [:]
        for service in services where !["", "None"].contains(service.spec.clusterIP) {
            let (namespace, name) = (service.metadata.namespace, service.metadata.name)
            if namespace == "default", name == "kubernetes" {
                if chosen[name] == nil { chosen[name] = service }
            } else if namespace == pod.metadata.namespace, pod.spec.enableServiceLinks != false {
                chosen[name] = service
            }
        }
        if let master, chosen["kubernetes"]?.metadata.namespace ?? "default" == "default" {
            chosen["kubernetes"] = ClusterService {
                $0.metadata.name = "kubernetes"
                $0.spec.clusterIP = master.host
                $0.spec.ports = [
                    ServicePort {
                        $0.name = "https"
                        $0.port = master.port
                    }
                ]
            }
        }
        return chosen.sorted { $0.key < $1.key }.flatMap { Self.variables(of: $0.value) }
    }

    private static func variables(of service: ClusterService) -> [EnvVar] {
        let prefix = variableName(service.metadata.name)
        let host = service.spec.clusterIP
        guard let first = service.spec.ports.first else { return [] }
        var result = [
            EnvVar(name: "\(prefix)_SERVICE_HOST", value: host),
            EnvVar(name: "\(prefix)_SERVICE_PORT", value: "\(first.port)"),
        ]
        for port in service.spec.ports where !port.name.isEmpty {
            result.append(EnvVar(name: "\(prefix)_SERVICE_PORT_\(variableName(port.name))", value: "\(port.port)"))
        }
        let inURL = host.contains(":") ? "[\(host)]" : host
        for (index, port) in service.spec.ports.enumerated() {
            let kind = port.protocol.isEmpty ? "TCP" : port.protocol
            let url = "\(kind.lowercased())://\(inURL):\(port.port)"
            if index == 0 { result.append(EnvVar(name: "\(prefix)_PORT", value: url)) }
            let name = "\(prefix)_PORT_\(port.port)_\(kind.uppercased())"
            result += [
                EnvVar(name: name, value: url), EnvVar(name: "\(name)_PROTO", value: kind.lowercased()),
                EnvVar(name: "\(name)_PORT", value: "\(port.port)"), EnvVar(name: "\(name)_ADDR", value: host),
            ]
        }
        return result
    }

    private static func variableName(_ name: String) -> String { name.uppercased().replacing("-", with: "_") }
}
