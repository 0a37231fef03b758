public import KubeAPI
public import Sockets

/// How the adapter runs: what the configuration file, flags and environment say, with defaults.
public struct AdapterConfiguration: Sendable {
    /// Certificates for a runtime on another machine.
    public struct RuntimeTLS: Sendable {
        /// PEM certificates the runtime's must lead to.
        public var caFile: String
        /// PEM, what this node shows.
        public var certificateFile: String
        public var keyFile: String
        /// The name in the runtime's certificate; its host where `nil`.
        public var serverName: String?

        public init(caFile: String, certificateFile: String, keyFile: String, serverName: String? = nil) {
            self.caFile = caFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.serverName = serverName
        }
    }

    /// The CRI runtime.
    public var runtime: Endpoint
    /// For a runtime reached over TCP; required there unless the runtime is on this machine.
    public var runtimeTLS: RuntimeTLS?
    /// The handler of pods without a runtime class; empty leaves it to the runtime.
    public var runtimeHandler = ""

    /// The name of the node; pods from files carry it.
    public var nodeName: String
    /// The node's addresses, the preferred one first; found on the interfaces where empty.
    public var nodeAddresses: [String] = []

    /// The cluster this is a node of; `nil` without one.
    public var cluster: ClusterConnection?
    /// How the node gets an identity in the cluster before it has one; ``cluster`` is what comes of it.
    public var bootstrap: BootstrapConfiguration?
    /// Where the cluster's certificates for this node are kept; `ROOT/pki` where `nil`.
    public var certificateDirectory: String?
    /// The kubelet API's certificate is the cluster's (`kubernetes.io/kubelet-serving`), as soon as it has signed one.
    public var rotatesServerCertificate = false
    /// Between renewals of the node's lease.
    public var leaseInterval: Duration = .seconds(10)
    /// Between looks at how the runtime is.
    public var healthInterval: Duration = .seconds(5)
    /// How many pods the node takes.
    public var maximumPods = 110
    /// How many virtual machines run at once, as the node tells it (`vzcri.dev/vm`); `nil` tells nothing.
    public var machineSlots: Int?
    /// How many images are pulled at once; 0 is no limit.
    public var maximumParallelPulls = 5
    /// Of which images that are here a pod must show that it may have them: a kubelet's
    /// `imagePullCredentialsVerificationPolicy`.
    public var imageVerification = "NeverVerifyPreloadedImages"
    /// Names without tag and digest that are everybody's with `NeverVerifyAllowlistedImages`.
    public var imageVerificationAllowlist: [String] = []
    /// In percent of the disk images are on: when more is used, images nobody uses go, until no more than ``imageLow`` is.
    /// 100 is never.
    public var imageHigh = 100
    public var imageLow = 80
    /// When pods have to go, as a kubelet's `--eviction-hard` has it: `memory.available<100Mi`.
    public var evictionHard: [String] = []
    /// The same, for those that wait first: `evictionSoftGracePeriod` says how long (`memory.available=1m30s`).
    public var evictionSoft: [String] = []
    public var evictionSoftGracePeriod: [String] = []
    /// How much more than a threshold has to be free before it counts as over: `nodefs.available=500Mi`.
    public var evictionMinimumReclaim: [String] = []
    /// Seconds a pod gets that goes for one of ``evictionSoft``, at most.
    public var evictionMaximumPodGrace = 0
    /// How long a pressure is told after it was seen last.
    public var evictionPressureTransition: Duration = .seconds(300)
    /// What of the node is kept from pods for its daemons and for all else on it, as a kubelet's `--kube-reserved` and
    /// `--system-reserved` have it: `cpu=200m`, `memory=500Mi`.
    public var kubeReserved: [String] = []
    public var systemReserved: [String] = []
    /// Kernel settings pods may have beside the safe ones; `net.core.*` allows all that begin so.
    public var allowedUnsafeSysctls: [String] = []
    /// Between looks at what the runtime's host has.
    public var hostInterval: Duration = .seconds(60)
    /// What pods get to end when the adapter is told to end; zero lets them run on.
    public var shutdownGrace: Duration = .zero
    /// Taints of a new node.
    public var taints: [Taint] = []
    /// `spec.providerID` of a new node.
    public var providerID = ""
    /// Only pods of this namespace; `nil` for all.
    public var namespace: String?
    /// What the node says it runs; `nil` for this machine's system.
    public var operatingSystem: String?
    /// The runtime has to answer for the first time within; `nil` waits.
    public var startupTimeout: Duration?
    /// Where traces of the adapter's work go; `nil` makes none.
    public var tracing: TraceConfiguration?
    /// Our own version, as the node tells it.
    public var version = ""

    /// Where manifests of pods are; `nil` runs none. In a cluster they are shown there by mirrors.
    public var podManifestPath: String?
    /// Between looks at the manifests when the system does not say that one changed.
    public var manifestInterval: Duration = .seconds(20)

    /// The adapter's own directory: pods' volumes, certificate, token. Nobody else may read it.
    public var root: String
    /// Where the runtime writes the logs of containers.
    public var logRoot = "/var/log/pods"
    public var resolvConf = "/etc/resolv.conf"
    public var seccompRoot: String?
    public var clusterDNS: [String] = []
    public var clusterDomain = ""
    /// Where pods reach the API server, as `HOST` or `HOST:PORT`, when they cannot reach the address of its service.
    public var serviceHost: String?
    /// Between looks at what volumes with a limit take.
    public var usageInterval: Duration = .seconds(10)

    /// Where the kubelet API listens; `nil` serves none. Port 0 takes any.
    public var kubeletAddress: Endpoint? = .tcp(host: "0.0.0.0", port: 10250)
    /// PEM; made and kept under ``root`` where `nil`.
    public var kubeletCertificateFile: String?
    public var kubeletKeyFile: String?
    /// PEM; whose certificate leads there need no token.
    public var kubeletClientCAFile: String?
    /// Bearer tokens are shown to the cluster's API server, which says whose they are.
    public var reviewsTokens = false
    /// How long what the API server says of callers holds.
    public var reviewLifetimes = ReviewLifetimes()
    /// The directory the kubelet API shows as the node's logs; `nil` shows none.
    public var nodeLogDirectory: String?
    /// The file with the bearer token; `ROOT/kubelet-token`, made at the first start, where `nil`.
    public var kubeletTokenFile: String?

    /// How probes and hooks reach ports of pods.
    public var podDialing = PodDialing.auto
    /// How long the postStart hook of a machine may take.
    public var postStartTimeout: Duration = .seconds(10)

    /// Of containers that end and images that cannot be pulled: the first delay, the longest, and the quiet time after
    /// which the first is used again.
    public var backOffInitial: Duration = .seconds(10)
    public var backOffMaximum: Duration = .seconds(300)
    public var backOffReset: Duration = .seconds(600)
    /// Between tries of other steps that failed.
    public var retryInterval: Duration = .seconds(10)
    /// Between the first tries to make volumes that are not there yet; it doubles.
    public var mountRetryInterval: Duration = .milliseconds(500)
    /// Between lists of the runtime beside its events.
    public var relistInterval: Duration = .seconds(60)

    /// - Parameters:
    ///   - runtime: the CRI endpoint.
    ///   - nodeName: the name of the node, a DNS label or subdomain in lower case.
    ///   - root: the adapter's own directory.
    public init(runtime: Endpoint, nodeName: String, root: String) {
        self.runtime = runtime
        self.nodeName = nodeName
        self.root = root
    }
}
