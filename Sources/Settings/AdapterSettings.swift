/// What `vk-adapter run` is configured with: section `adapter`, and its flags and variables.
public struct AdapterSettings: Sendable {
    public static let section = "adapter"

    /// The CRI endpoint, unparsed.
    public var cri: String
    public var criTLSCA: String?
    public var criTLSCert: String?
    public var criTLSKey: String?
    /// The name in the runtime's certificate; nil is the endpoint's host.
    public var criTLSServerName: String?
    /// The runtime handler of pods without a runtime class; nil leaves it to the runtime.
    public var runtimeHandler: String?
    /// Without a cluster: pods come from ``podManifestPath`` alone.
    public var standalone: Bool
    public var podManifestPath: String?
    /// Files that say where the cluster is, separated by colons; nil leaves it to the places where one usually is.
    public var kubeconfig: String?
    /// Its context to use; nil is the file's own.
    public var kubeContext: String?
    /// A kubeconfig that may only ask for the node's own identity, which is then put where ``kubeconfig`` says.
    public var bootstrapKubeconfig: String?
    /// Where the certificates the cluster signs are kept; nil is `pki` under ``root``.
    public var certDir: String?
    /// The kubelet API's certificate is signed by the cluster.
    public var rotateServerCertificates: Bool
    /// How many pods the node takes.
    public var maxPods: Int
    /// How many virtual machines run at once; nil says nothing of them.
    public var vmSlots: Int?
    /// How many images are pulled at once; 0 is no limit.
    public var maxParallelImagePulls: Int
    /// Of which images that are here a pod must show that it may have them.
    public var imagePullCredentialsVerificationPolicy: String
    /// Names of images without tag and digest.
    public var preloadedImagesVerificationAllowlist: [String]
    /// In percent: from where on and down to where images go that nobody uses.
    public var imageGCHighThreshold: Int
    public var imageGCLowThreshold: Int
    /// As `memory.available<100Mi`.
    public var evictionHard: [String]
    public var evictionSoft: [String]
    /// As `memory.available=1m30s`.
    public var evictionSoftGracePeriod: [String]
    /// As `nodefs.available=500Mi`.
    public var evictionMinimumReclaim: [String]
    /// Seconds.
    public var evictionMaxPodGracePeriod: Int
    public var evictionPressureTransitionPeriod: Int
    /// As `cpu=200m`: kept from pods for the node's daemons, and for all else on it.
    public var kubeReserved: [String]
    public var systemReserved: [String]
    /// Kernel settings pods may have beside the safe ones.
    public var allowedUnsafeSysctls: [String]
    /// Seconds for pods to end when the adapter ends; 0 lets them run on.
    public var shutdownGracePeriod: Int
    /// `spec.providerID` of the node.
    public var providerID: String?
    /// A new node gets no taint.
    public var disableTaint: Bool
    public var taintKey: String
    public var taintValue: String
    public var taintEffect: String
    /// nil is this machine's name.
    public var nodeName: String?
    /// Empty: found on the interfaces.
    public var nodeAddresses: [String]
    public var root: String
    /// Where containers' log files go.
    public var podLogs: String
    public var clusterDNS: [String]
    public var clusterDomain: String?
    /// Where pods reach the API server, as `HOST` or `HOST:PORT`; nil is the address of its service.
    public var serviceHost: String?
    /// The address the kubelet API listens on.
    public var kubeletAddress: String
    public var kubeletPort: Int
    /// The kubelet API's own certificate and key; one is made when absent.
    public var tlsCert: String?
    public var tlsKey: String?
    /// Whose certificate leads there needs no token.
    public var clientVerifyCA: String?
    /// nil: a file under ``root``.
    public var kubeletTokenFile: String?
    /// `auto`, `direct` or `forward`: how ports of pods are reached.
    public var podDialing: String
    /// Seconds the postStart hook of a machine may take.
    public var postStartTimeout: Int
    /// Bearer tokens are shown to the cluster, which says whose they are.
    public var authenticationTokenWebhook: Bool
    /// Seconds an answer about a token holds; 0 is the default.
    public var authenticationTokenWebhookCacheTTL: Int
    /// Seconds a "may" of the cluster's holds; 0 is the default.
    public var authorizationWebhookCacheAuthorizedTTL: Int
    /// Seconds a "may not" holds; 0 is the default.
    public var authorizationWebhookCacheUnauthorizedTTL: Int
    /// Certificates of clients are not asked for.
    public var noVerifyClients: Bool
    /// The directory the kubelet API shows as the node's logs.
    public var nodeLogs: String
    /// Seconds in which the runtime has to answer for the first time; 0 waits.
    public var startupTimeout: Int
    /// Every pod has a worker of its own: accepted for those who set it.
    public var podSyncWorkers: Int
    /// Seconds between looks at everything beside events.
    public var fullResyncPeriod: Int
    /// Only pods of this namespace; nil for all.
    public var namespace: String?
    /// What the node says it runs; nil is this machine's system.
    public var operatingSystem: String?
    public var provider: String?
    public var providerConfig: String?
    /// Which traces are told: `always`, `never`, or a percentage.
    public var traceSampleRate: String
    /// The OpenTelemetry collector; nil tells nobody.
    public var otlpEndpoint: String?
    /// No TLS to a collector that is no URL.
    public var otlpInsecure: Bool
    /// nil: gRPC, or HTTP where the endpoint is a URL.
    public var otlpProtocol: String?
    /// Signs the collector's certificate; nil trusts the system's.
    public var otlpCertificate: String?
    /// `NAME=VALUE`, sent along.
    public var otlpHeaders: [String]
    /// What traces call this adapter; nil is the node's name.
    public var otelServiceName: String?
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
                SettingKey("criTLSServerName", .text, flag: "--cri-tls-server-name"),
                SettingKey("runtimeHandler", .text, flag: "--runtime-handler"),
                SettingKey("standalone", .boolean, flag: "--standalone", standard: .boolean(false)),
                SettingKey("podManifestPath", .path, flag: "--pod-manifest-path"),
                SettingKey("kubeconfig", .text, flag: "--kubeconfig", variable: "KUBECONFIG"),
                SettingKey("kubeContext", .text, flag: "--kube-context"),
                SettingKey("bootstrapKubeconfig", .path, flag: "--bootstrap-kubeconfig"),
                SettingKey("certDir", .path, flag: "--cert-dir"),
                SettingKey(
                    "rotateServerCertificates", .boolean, flag: "--rotate-server-certificates",
                    standard: .boolean(false)),
                SettingKey("maxPods", .integer(1...10000), flag: "--max-pods", standard: .integer(110)),
                SettingKey("vmSlots", .integer(0...1000), flag: "--vm-slots"),
                SettingKey(
                    "maxParallelImagePulls", .integer(0...1000), flag: "--max-parallel-image-pulls",
                    standard: .integer(5)),
                SettingKey(
                    "imagePullCredentialsVerificationPolicy",
                    .choice([
                        "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify",
                    ]),
                    standard: .text("NeverVerifyPreloadedImages")),
                SettingKey("preloadedImagesVerificationAllowlist", .list, standard: .list([])),
                SettingKey(
                    "imageGCHighThreshold", .integer(1...100), flag: "--image-gc-high-threshold",
                    standard: .integer(85)),
                SettingKey(
                    "imageGCLowThreshold", .integer(0...100), flag: "--image-gc-low-threshold", standard: .integer(80)),
                SettingKey(
                    "evictionHard", .list, flag: "--eviction-hard",
                    standard: .list([
                        "memory.available<100Mi", "nodefs.available<10%", "nodefs.inodesFree<5%",
                        "imagefs.available<15%", "imagefs.inodesFree<5%",
                    ])),
                SettingKey("evictionSoft", .list, flag: "--eviction-soft", standard: .list([])),
                SettingKey(
                    "evictionSoftGracePeriod", .list, flag: "--eviction-soft-grace-period", standard: .list([])),
                SettingKey("evictionMinimumReclaim", .list, flag: "--eviction-minimum-reclaim", standard: .list([])),
                SettingKey(
                    "evictionMaxPodGracePeriod", .integer(0...86400), flag: "--eviction-max-pod-grace-period",
                    standard: .integer(0)),
                SettingKey(
                    "evictionPressureTransitionPeriod", .seconds(0...86400),
                    flag: "--eviction-pressure-transition-period", standard: .integer(300)),
                SettingKey("kubeReserved", .list, flag: "--kube-reserved", standard: .list([])),
                SettingKey("systemReserved", .list, flag: "--system-reserved", standard: .list([])),
                SettingKey("allowedUnsafeSysctls", .list, flag: "--allowed-unsafe-sysctls", standard: .list([])),
                SettingKey(
                    "shutdownGracePeriod", .seconds(0...86400), flag: "--shutdown-grace-period",
                    standard: .integer(0)),
                SettingKey("providerID", .text, flag: "--provider-id"),
                SettingKey("disableTaint", .boolean, flag: "--disable-taint", standard: .boolean(false)),
                SettingKey(
                    "taintKey", .text, flag: "--taint", variable: "VKUBELET_TAINT_KEY",
                    standard: .text("virtual-kubelet.io/provider")),
                SettingKey("taintValue", .text, variable: "VKUBELET_TAINT_VALUE", standard: .text("macos-vz")),
                SettingKey(
                    "taintEffect", .choice(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
                    variable: "VKUBELET_TAINT_EFFECT", standard: .text("NoSchedule")),
                SettingKey("nodeName", .text, flag: "--nodename"),
                SettingKey(
                    "nodeAddresses", .list, flag: "--node-address", variable: "VKUBELET_POD_IP", standard: .list([])),
                SettingKey("root", .path, flag: "--root", standard: .text(platform.rootDirectory + "/adapter")),
                SettingKey("podLogs", .path, flag: "--pod-logs", standard: .text(platform.podLogsDirectory)),
                SettingKey("clusterDNS", .list, flag: "--cluster-dns", standard: .list([])),
                SettingKey("clusterDomain", .text, flag: "--cluster-domain"),
                SettingKey("serviceHost", .text, flag: "--service-host"),
                SettingKey("kubeletAddress", .text, flag: "--kubelet-address", standard: .text("0.0.0.0")),
                SettingKey(
                    "kubeletPort", .integer(0...65535), flag: "--kubelet-port", variable: "KUBELET_PORT",
                    standard: .integer(10250)),
                SettingKey("tlsCert", .path, flag: "--tls-cert", variable: "APISERVER_CERT_LOCATION"),
                SettingKey("tlsKey", .path, flag: "--tls-key", variable: "APISERVER_KEY_LOCATION"),
                SettingKey(
                    "clientVerifyCA", .path, flag: "--client-verify-ca", variable: "APISERVER_CA_CERT_LOCATION"),
                SettingKey("kubeletTokenFile", .path, flag: "--kubelet-token-file"),
                SettingKey(
                    "podDialing", .choice(["auto", "direct", "forward"]), flag: "--pod-dialing",
                    standard: .text("auto")),
                SettingKey(
                    "postStartTimeout", .seconds(1...86400), variable: "VZ_POSTSTART_TIMEOUT", standard: .integer(10)),
                SettingKey(
                    "authenticationTokenWebhook", .boolean, flag: "--authentication-token-webhook",
                    standard: .boolean(false)),
                SettingKey(
                    "authenticationTokenWebhookCacheTTL", .seconds(0...86400),
                    flag: "--authentication-token-webhook-cache-ttl", standard: .integer(0)),
                SettingKey(
                    "authorizationWebhookCacheAuthorizedTTL", .seconds(0...86400),
                    flag: "--authorization-webhook-cache-authorized-ttl", standard: .integer(0)),
                SettingKey(
                    "authorizationWebhookCacheUnauthorizedTTL", .seconds(0...86400),
                    flag: "--authorization-webhook-cache-unauthorized-ttl", standard: .integer(0)),
                SettingKey("noVerifyClients", .boolean, flag: "--no-verify-clients", standard: .boolean(false)),
                SettingKey("nodeLogs", .path, flag: "--node-logs", standard: .text(platform.nodeLogsDirectory)),
                SettingKey("startupTimeout", .seconds(0...86400), flag: "--startup-timeout", standard: .integer(0)),
                SettingKey("podSyncWorkers", .integer(1...10000), flag: "--pod-sync-workers", standard: .integer(10)),
                SettingKey(
                    "fullResyncPeriod", .seconds(1...86400), flag: "--full-resync-period", standard: .integer(60)),
                SettingKey("namespace", .text, flag: "--namespace"),
                SettingKey("operatingSystem", .text, flag: "--os"),
                SettingKey("provider", .text, flag: "--provider"),
                SettingKey("providerConfig", .path, flag: "--provider-config"),
                SettingKey("traceSampleRate", .text, flag: "--trace-sample-rate", standard: .text("always")),
                SettingKey("otlpEndpoint", .text, variable: "OTEL_EXPORTER_OTLP_ENDPOINT"),
                SettingKey(
                    "otlpInsecure", .boolean, variable: "OTEL_EXPORTER_OTLP_INSECURE", standard: .boolean(false)),
                SettingKey(
                    "otlpProtocol", .choice(["grpc", "http/protobuf"]), variable: "OTEL_EXPORTER_OTLP_PROTOCOL"),
                SettingKey("otlpCertificate", .path, variable: "OTEL_EXPORTER_OTLP_CERTIFICATE"),
                SettingKey(
                    "otlpHeaders", .list, variable: "OTEL_EXPORTER_OTLP_HEADERS", isSecret: true, standard: .list([])),
                SettingKey("otelServiceName", .text, variable: "OTEL_SERVICE_NAME"),
                SettingKey("logLevel", .choice(SettingsTable.logLevels), flag: "--log-level", standard: .text("info")),
            ])
    }

    public init(_ resolved: ResolvedSettings) {
        self.resolved = resolved
        cri = resolved.text("cri") ?? ""
        criTLSCA = resolved.text("criTLSCA")
        criTLSCert = resolved.text("criTLSCert")
        criTLSKey = resolved.text("criTLSKey")
        criTLSServerName = resolved.text("criTLSServerName")
        runtimeHandler = resolved.text("runtimeHandler")
        standalone = resolved.boolean("standalone")
        podManifestPath = resolved.text("podManifestPath")
        kubeconfig = resolved.text("kubeconfig")
        kubeContext = resolved.text("kubeContext")
        bootstrapKubeconfig = resolved.text("bootstrapKubeconfig")
        certDir = resolved.text("certDir")
        rotateServerCertificates = resolved.boolean("rotateServerCertificates")
        maxPods = resolved.integer("maxPods") ?? 110
        vmSlots = resolved.integer("vmSlots")
        maxParallelImagePulls = resolved.integer("maxParallelImagePulls") ?? 5
        imagePullCredentialsVerificationPolicy =
            resolved.text("imagePullCredentialsVerificationPolicy") ?? "NeverVerifyPreloadedImages"
        preloadedImagesVerificationAllowlist = resolved.list("preloadedImagesVerificationAllowlist")
        imageGCHighThreshold = resolved.integer("imageGCHighThreshold") ?? 85
        imageGCLowThreshold = resolved.integer("imageGCLowThreshold") ?? 80
        evictionHard = resolved.list("evictionHard")
        evictionSoft = resolved.list("evictionSoft")
        evictionSoftGracePeriod = resolved.list("evictionSoftGracePeriod")
        evictionMinimumReclaim = resolved.list("evictionMinimumReclaim")
        evictionMaxPodGracePeriod = resolved.integer("evictionMaxPodGracePeriod") ?? 0
        evictionPressureTransitionPeriod = resolved.integer("evictionPressureTransitionPeriod") ?? 300
        kubeReserved = resolved.list("kubeReserved")
        systemReserved = resolved.list("systemReserved")
        allowedUnsafeSysctls = resolved.list("allowedUnsafeSysctls")
        shutdownGracePeriod = resolved.integer("shutdownGracePeriod") ?? 0
        providerID = resolved.text("providerID")
        disableTaint = resolved.boolean("disableTaint")
        taintKey = resolved.text("taintKey") ?? ""
        taintValue = resolved.text("taintValue") ?? ""
        taintEffect = resolved.text("taintEffect") ?? ""
        nodeName = resolved.text("nodeName")
        nodeAddresses = resolved.list("nodeAddresses")
        root = resolved.text("root") ?? ""
        podLogs = resolved.text("podLogs") ?? ""
        clusterDNS = resolved.list("clusterDNS")
        clusterDomain = resolved.text("clusterDomain")
        serviceHost = resolved.text("serviceHost")
        kubeletAddress = resolved.text("kubeletAddress") ?? ""
        kubeletPort = resolved.integer("kubeletPort") ?? 10250
        tlsCert = resolved.text("tlsCert")
        tlsKey = resolved.text("tlsKey")
        clientVerifyCA = resolved.text("clientVerifyCA")
        kubeletTokenFile = resolved.text("kubeletTokenFile")
        podDialing = resolved.text("podDialing") ?? "auto"
        postStartTimeout = resolved.integer("postStartTimeout") ?? 10
        authenticationTokenWebhook = resolved.boolean("authenticationTokenWebhook")
        authenticationTokenWebhookCacheTTL = resolved.integer("authenticationTokenWebhookCacheTTL") ?? 0
        authorizationWebhookCacheAuthorizedTTL = resolved.integer("authorizationWebhookCacheAuthorizedTTL") ?? 0
        authorizationWebhookCacheUnauthorizedTTL = resolved.integer("authorizationWebhookCacheUnauthorizedTTL") ?? 0
        noVerifyClients = resolved.boolean("noVerifyClients")
        nodeLogs = resolved.text("nodeLogs") ?? ""
        startupTimeout = resolved.integer("startupTimeout") ?? 0
        podSyncWorkers = resolved.integer("podSyncWorkers") ?? 10
        fullResyncPeriod = resolved.integer("fullResyncPeriod") ?? 60
        namespace = resolved.text("namespace")
        operatingSystem = resolved.text("operatingSystem")
        provider = resolved.text("provider")
        providerConfig = resolved.text("providerConfig")
        traceSampleRate = resolved.text("traceSampleRate") ?? "always"
        otlpEndpoint = resolved.text("otlpEndpoint")
        otlpInsecure = resolved.boolean("otlpInsecure")
        otlpProtocol = resolved.text("otlpProtocol")
        otlpCertificate = resolved.text("otlpCertificate")
        otlpHeaders = resolved.list("otlpHeaders")
        otelServiceName = resolved.text("otelServiceName")
        logLevel = resolved.text("logLevel") ?? "info"
    }
}
