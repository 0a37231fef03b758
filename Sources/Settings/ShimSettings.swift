/// What `cri-shim serve` is configured with: section `shim`, and its flags and variables.
public struct ShimSettings: Sendable {
    public static let section = "shim"

    /// Endpoints, unparsed.
    public var listen: [String]
    /// Who may connect to the unix socket besides us; nil is nobody.
    public var socketGroup: String?
    public var tlsCert: String?
    public var tlsKey: String?
    public var clientCA: String?
    public var clientAllow: [String]
    public var advertiseAddress: String?
    public var root: String
    /// An endpoint, unparsed.
    public var dockerHost: String
    /// A directory with `ca.pem`, `cert.pem` and `key.pem`.
    public var dockerCertPath: String?
    /// Whether the engine's certificate is checked; only then is TLS used, as with Docker's own client.
    public var dockerTLSVerify: Bool
    public var pauseImage: String?
    public var logLevel: String
    public var resolved: ResolvedSettings

    public static func table(for platform: HostPlatform) -> SettingsTable {
        SettingsTable(
            section: section,
            keys: [
                SettingKey("listen", .list, flag: "--listen", standard: .list(["unix://" + platform.socketPath])),
                SettingKey("socketGroup", .text, flag: "--socket-group"),
                SettingKey("tlsCert", .path, flag: "--tls-cert"),
                SettingKey("tlsKey", .path, flag: "--tls-key"),
                SettingKey("clientCA", .path, flag: "--client-ca"),
                SettingKey("clientAllow", .list, flag: "--client-allow", standard: .list([])),
                SettingKey("advertiseAddress", .text, flag: "--advertise-address"),
                SettingKey("root", .path, flag: "--root", standard: .text(platform.rootDirectory)),
                SettingKey(
                    "dockerHost", .text, flag: "--docker-host", variable: "DOCKER_HOST",
                    standard: .text(platform.dockerHost)),
                SettingKey("dockerCertPath", .path, variable: "DOCKER_CERT_PATH"),
                SettingKey("dockerTLSVerify", .boolean, variable: "DOCKER_TLS_VERIFY", standard: .boolean(false)),
                SettingKey("pauseImage", .text, flag: "--pause-image"),
                SettingKey("logLevel", .choice(SettingsTable.logLevels), flag: "--log-level", standard: .text("info")),
            ])
    }

    public init(_ resolved: ResolvedSettings) {
        self.resolved = resolved
        listen = resolved.list("listen")
        socketGroup = resolved.text("socketGroup")
        tlsCert = resolved.text("tlsCert")
        tlsKey = resolved.text("tlsKey")
        clientCA = resolved.text("clientCA")
        clientAllow = resolved.list("clientAllow")
        advertiseAddress = resolved.text("advertiseAddress")
        root = resolved.text("root") ?? ""
        dockerHost = resolved.text("dockerHost") ?? ""
        dockerCertPath = resolved.text("dockerCertPath")
        dockerTLSVerify = resolved.boolean("dockerTLSVerify")
        pauseImage = resolved.text("pauseImage")
        logLevel = resolved.text("logLevel") ?? "info"
    }
}

extension SettingsTable {
    /// As swift-log names them.
    public static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
}
