/// Environment variables that mean something to one of the daemons, and to which.
enum ForeignVariables {
    private static let shim = ["VZ_BRIDGE_INTERFACE", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"]
    private static let shimPrefixes = ["VZ_SSH_"]
    private static let adapter = ["KUBECONFIG", "KUBELET_PORT", "VZ_POSTSTART_TIMEOUT"]
    private static let adapterPrefixes = ["APISERVER_", "VKUBELET_"]
    private static let both = ["OTEL_"]

    /// One line for each variable that is set and does nothing here, because it is the other daemon's or because what it
    /// is for does not exist yet.
    static func warnings(for section: String, table: SettingsTable, environment: [String: String]) -> [String] {
        let isShim = section == ShimSettings.section
        let others = isShim ? (adapter, adapterPrefixes, "vk-adapter") : (shim, shimPrefixes, "cri-shim")
        let ours = isShim ? (shim, shimPrefixes) : (adapter, adapterPrefixes)
        let used = Set(table.keys.compactMap(\.variable))
        return environment.filter { !$0.value.isEmpty && !used.contains($0.key) }.keys.sorted().compactMap { name in
            if matches(name, others.0, others.1) {
                return "\(name) is a variable of \(others.2) and has no effect here"
            }
            if matches(name, ours.0, ours.1 + both) { return "\(name) has no effect yet" }
            return nil
        }
    }

    private static func matches(_ name: String, _ names: [String], _ prefixes: [String]) -> Bool {
        names.contains(name) || prefixes.contains { name.hasPrefix($0) }
    }
}
