/// What the translation of CRI configurations into Docker's depends on besides the configuration.
struct MappingContext: Sendable {
    /// See ``RootDirectory/instance``.
    var instance: String
    var cgroupDriver: String
    var appArmor: Bool
    var seLinux: Bool
    /// The lowest `oom_score_adj` the engine may give to a process; nil where nothing limits it. Without CAP_SYS_RESOURCE
    /// runc fails on a lower one instead of saying so.
    var lowestOOMScore: Int64?

    /// Docker with the systemd driver wants a slice's own name, the kubelet gives its whole path.
    func cgroupParent(_ path: String) -> String {
        guard cgroupDriver == "systemd", let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    func oomScore(_ wanted: Int64) -> Int64 {
        lowestOOMScore.map { max($0, wanted) } ?? wanted
    }
}
