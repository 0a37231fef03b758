/// What `vk-adapter run` is configured with: section `adapter`, and its flags and variables.
public struct AdapterSettings: Sendable {
    public static let section = "adapter"

    /// The CRI endpoint, unparsed.
    public var cri: String
    public var criTLSCA: String?
    public var criTLSCert: String?
    public var criTLSKey: String?
    /// Without a cluster: pods come from ``podManifestPath`` alone.
    public var standalone: Bool
    public var podManifestPath: String?
    public var nodeName: String?
    public var root: String
    /// Where containers' log files go.
    public var podLogs: String
    /// Where the kubelet API listens; `host:port` without the port.
    public var kubeletAddress: String
    public var kubeletPort: Int
    /// The kubelet API's own certificate and key; one is made when absent.
    public var tlsCert: String?
    public var tlsKey: String?
    public var logLevel: String
    public var resolved: ResolvedSettings

    public static func table(for platform: HostPlatform) -> SettingsTable {
        SettingsTable(
            section: section,
            keys: [
                SettingKey("cri", .text, flag: "--cri", standard: .text("unix://" + platform.socketPath)),
                SettingKey("criTLSCA", .path, flag: "--cri-tls-ca"),
                SettingKey("criTLSCert", .path, flag: "--cri-tls-cert"),
                SettingKey("criTLSKey", .path, flag: "--cri-tls-key"),
                SettingKey("standalone", .boolean, flag: "--standalone", standard: .boolean(false)),
                SettingKey("podManifestPath", .path, flag: "--pod-manifest-path"),
                SettingKey("nodeName", .text, flag: "--nodename"),
                SettingKey("root", .path, flag: "--root", standard: .text(platform.rootDirectory + "/adapter")),
                SettingKey("podLogs", .path, flag: "--pod-logs", standard: .text(platform.podLogsDirectory)),
                SettingKey("kubeletAddress", .text, flag: "--kubelet-address", standard: .text("0.0.0.0")),
                SettingKey(
                    "kubeletPort", .integer(0...65535), flag: "--kubelet-port", variable: "KUBELET_PORT",
                    standard: .integer(10250)),
                SettingKey("tlsCert", .path, flag: "--tls-cert", variable: "APISERVER_CERT_LOCATION"),
                SettingKey("tlsKey", .path, flag: "--tls-key", variable: "APISERVER_KEY_LOCATION"),
                SettingKey("logLevel", .choice(SettingsTable.logLevels), flag: "--log-level", standard: .text("info")),
            ])
    }

    public init(_ resolved: ResolvedSettings) {
        self.resolved = resolved
        cri = resolved.text("cri") ?? ""
        criTLSCA = resolved.text("criTLSCA")
        criTLSCert = resolved.text("criTLSCert")
        criTLSKey = resolved.text("criTLSKey")
        standalone = resolved.boolean("standalone")
        podManifestPath = resolved.text("podManifestPath")
        nodeName = resolved.text("nodeName")
        root = resolved.text("root") ?? ""
        podLogs = resolved.text("podLogs") ?? ""
        kubeletAddress = resolved.text("kubeletAddress") ?? ""
        kubeletPort = resolved.integer("kubeletPort") ?? 10250
        tlsCert = resolved.text("tlsCert")
        tlsKey = resolved.text("tlsKey")
        logLevel = resolved.text("logLevel") ?? "info"
    }
}
