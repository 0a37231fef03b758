import ArgumentParser
import Launch
import Settings
import VKAdapter

/// `vk-adapter run`: flags and configuration to a running daemon.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run pods on a CRI runtime.",
        discussion: "A flag wins over the environment, that over the configuration file, that over the default.")

    @Option(help: ArgumentHelp("The CRI runtime: unix:///PATH or tcp://HOST:PORT.", valueName: "endpoint"))
    var cri: String?

    @Option(
        name: .customLong("cri-tls-ca"),
        help: ArgumentHelp("Signs the certificate of a tcp:// runtime.", valueName: "file"))
    var criTLSCA: String?

    @Option(
        name: .customLong("cri-tls-cert"),
        help: ArgumentHelp("Our certificate (PEM) for a tcp:// runtime.", valueName: "file"))
    var criTLSCert: String?

    @Option(name: .customLong("cri-tls-key"), help: ArgumentHelp("Its key (PEM).", valueName: "file"))
    var criTLSKey: String?

    @Option(
        name: .customLong("cri-tls-server-name"),
        help: ArgumentHelp("The name in the runtime's certificate, when it is not the host's.", valueName: "name"))
    var criTLSServerName: String?

    @Option(help: ArgumentHelp("The runtime handler of pods without a runtime class.", valueName: "name"))
    var runtimeHandler: String?

    @Flag(help: "Run without a cluster: pods come from the manifests alone.")
    var standalone = false

    @Option(
        help: ArgumentHelp(
            "The cluster to join (default: ~/.kube/config, else the cluster this runs in). Several: FILE:FILE.",
            valueName: "file"))
    var kubeconfig: String?

    @Option(help: ArgumentHelp("The context of the kubeconfig to use.", valueName: "name"))
    var kubeContext: String?

    @Option(
        help: ArgumentHelp(
            "Joins a cluster as a new node: may ask for its identity, which is kept where --kubeconfig says.",
            valueName: "file"))
    var bootstrapKubeconfig: String?

    @Option(
        help: ArgumentHelp(
            "Where certificates the cluster signed are kept (default: pki under the root).", valueName: "directory"))
    var certDir: String?

    @Flag(help: "The kubelet API's certificate is signed by the cluster, and replaced before it ends.")
    var rotateServerCertificates = false

    @Option(help: ArgumentHelp("How many pods this node takes.", valueName: "number"))
    var maxPods: Int?

    @Option(help: ArgumentHelp("How many virtual machines run at once (vzcri.dev/vm).", valueName: "number"))
    var vmSlots: Int?

    @Option(help: ArgumentHelp("How many images are pulled at once; 0 is no limit.", valueName: "number"))
    var maxParallelImagePulls: Int?

    @Option(
        name: .customLong("image-gc-high-threshold"),
        help: ArgumentHelp("Images nobody uses go when more of their disk is used; 100 is never.", valueName: "percent")
    )
    var imageGCHighThreshold: Int?

    @Option(
        name: .customLong("image-gc-low-threshold"),
        help: ArgumentHelp("Until no more of it is used.", valueName: "percent"))
    var imageGCLowThreshold: Int?

    @Option(
        help: ArgumentHelp("Pods get so long to end when the adapter ends; 0 lets them run on.", valueName: "time"))
    var shutdownGracePeriod: String?

    @Option(name: .customLong("provider-id"), help: ArgumentHelp("spec.providerID of the node.", valueName: "id"))
    var providerID: String?

    @Flag(help: "A new node gets no taint.")
    var disableTaint = false

    @Option(help: ArgumentHelp("Directory with manifests of pods (YAML or JSON).", valueName: "directory"))
    var podManifestPath: String?

    @Option(
        name: .customLong("nodename"),
        help: ArgumentHelp("This node's name (default: the machine's).", valueName: "name"))
    var nodeName: String?

    @Option(
        name: .customLong("node-address"), parsing: .singleValue,
        help: ArgumentHelp(
            "This node's address (default: found on the interfaces). May be repeated.", valueName: "address"))
    var nodeAddresses: [String] = []

    @Option(help: ArgumentHelp("The adapter's own directory: volumes, certificate, token.", valueName: "directory"))
    var root: String?

    @Option(help: ArgumentHelp("Where the runtime writes containers' logs.", valueName: "directory"))
    var podLogs: String?

    @Option(
        name: .customLong("cluster-dns"), parsing: .singleValue,
        help: ArgumentHelp("Name server of pods with dnsPolicy ClusterFirst. May be repeated.", valueName: "address"))
    var clusterDNS: [String] = []

    @Option(help: ArgumentHelp("The domain they search in.", valueName: "domain"))
    var clusterDomain: String?

    @Option(
        help: ArgumentHelp(
            "Where pods reach the API server, when they cannot reach the address of its service.",
            valueName: "host[:port]"))
    var serviceHost: String?

    @Option(help: ArgumentHelp("The address the kubelet API listens on.", valueName: "address"))
    var kubeletAddress: String?

    @Option(help: ArgumentHelp("The port of the kubelet API; 0 takes any.", valueName: "port"))
    var kubeletPort: Int?

    @Option(help: ArgumentHelp("Certificate (PEM) of the kubelet API; made when not given.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("Its key (PEM).", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .customLong("client-verify-ca"),
        help: ArgumentHelp(
            "Clients of the kubelet API with a certificate signed by this need no token.", valueName: "file"))
    var clientVerifyCA: String?

    @Option(help: ArgumentHelp("File with the bearer token of the kubelet API.", valueName: "file"))
    var kubeletTokenFile: String?

    @Option(help: ArgumentHelp("How probes reach ports of pods: auto, direct or forward.", valueName: "way"))
    var podDialing: String?

    @OptionGroup var resources: ResourceOptions
    @OptionGroup var access: AccessOptions
    @OptionGroup var historic: HistoricOptions
    @OptionGroup var common: CommonOptions

    private var flags: FlagValues {
        var flags = FlagValues()
        flags.set("cri", cri)
        flags.set("criTLSCA", criTLSCA)
        flags.set("criTLSCert", criTLSCert)
        flags.set("criTLSKey", criTLSKey)
        flags.set("criTLSServerName", criTLSServerName)
        flags.set("runtimeHandler", runtimeHandler)
        flags.set("standalone", standalone)
        flags.set("podManifestPath", podManifestPath)
        flags.set("kubeconfig", kubeconfig)
        flags.set("kubeContext", kubeContext)
        flags.set("bootstrapKubeconfig", bootstrapKubeconfig)
        flags.set("certDir", certDir)
        flags.set("rotateServerCertificates", rotateServerCertificates)
        flags.set("vmSlots", vmSlots.map { "\($0)" })
        flags.set("maxParallelImagePulls", maxParallelImagePulls.map { "\($0)" })
        flags.set("maxPods", maxPods.map { "\($0)" })
        flags.set("imageGCHighThreshold", imageGCHighThreshold.map { "\($0)" })
        flags.set("imageGCLowThreshold", imageGCLowThreshold.map { "\($0)" })
        flags.set("shutdownGracePeriod", shutdownGracePeriod)
        flags.set("providerID", providerID)
        flags.set("disableTaint", disableTaint)
        flags.set("nodeName", nodeName)
        flags.set("nodeAddresses", nodeAddresses)
        flags.set("root", root)
        flags.set("podLogs", podLogs)
        flags.set("clusterDNS", clusterDNS)
        flags.set("clusterDomain", clusterDomain)
        flags.set("serviceHost", serviceHost)
        flags.set("kubeletAddress", kubeletAddress)
        flags.set("kubeletPort", kubeletPort.map { "\($0)" })
        flags.set("tlsCert", tlsCert)
        flags.set("tlsKey", tlsKey)
        flags.set("clientVerifyCA", clientVerifyCA)
        flags.set("kubeletTokenFile", kubeletTokenFile)
        resources.set(&flags)
        access.set(&flags)
        historic.set(&flags)
        flags.set("podDialing", podDialing)
        return flags
    }

    func run() async throws {
        var common = common
        common.config = common.config ?? historic.providerConfig
        let resolved = try Start.settings(section: AdapterSettings.section, common: common, flags: flags)
        let configuration = try Start.configured { try AdapterConfiguration(AdapterSettings(resolved)) }
        let logger = Start.logger("vk-adapter", settings: resolved)
        do {
            try await AdapterDaemon.run(configuration, logger: logger)
        } catch let error as AdapterError where error.code == .invalidArgument {
            throw ProgramFailure("\(error)", exitCode: Exit.configuration)
        } catch {
            throw ProgramFailure("\(error)")
        }
    }
}
