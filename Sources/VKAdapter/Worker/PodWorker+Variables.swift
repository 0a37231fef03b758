import KubeAPI

extension PodWorker {
    /// Keys that cannot be names of variables are left out of the environment, and that is said.
    func tellSkippedVariables(_ container: Container, podIPs: [String], _ mapping: MappingContext) throws {
        if container.envFrom.isEmpty { return }
        for (object, keys) in try Environment(pod, container, podIPs: podIPs, mapping).skipped {
            context.events.record(
                pod, .warning, reason: "InvalidEnvironmentVariableNames",
                message:
                    "Keys [\(keys.joined(separator: ", "))] from the EnvFrom \(object) were skipped since they are "
                    + "considered invalid environment variable names.", container: container.name)
        }
    }
}
