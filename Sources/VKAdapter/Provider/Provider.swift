import Proto

/// What runs pods, as a pod worker sees it: the objects of the CRI and nothing of how they are reached.
///
/// Every call fails with an ``AdapterError`` whose code says what a caller can do: `unavailable` (nobody is there, try
/// later), `notFound`, `unimplemented`, `invalidArgument`, or `failed` with the runtime's own words.
protocol Provider: Sendable {
    /// Name and version of the runtime.
    func version() async throws -> CRI.VersionResponse
    /// Whether it can run pods, and why not, and what it can beside.
    func status() async throws -> CRI.StatusResponse

    /// The state of every pod of this node in short, by UID: enough to see what changed.
    func pods() async throws -> [String: PodDigest]

    /// Everything the runtime has of a pod.
    func observe(podUID: String) async throws -> ObservedPod

    /// The UIDs of pods something happened to. Ends with an error when the runtime is lost; `unimplemented` when it has
    /// no events.
    func events(opened: @escaping @Sendable () async -> Void, _ changed: @escaping @Sendable (String) async -> Void)
        async throws

    func runSandbox(_ config: CRI.PodSandboxConfig, handler: String) async throws -> String
    /// Safe to repeat, and for one that is gone.
    func stopSandbox(_ id: String) async throws
    /// Safe to repeat, and for one that is gone.
    func removeSandbox(_ id: String) async throws

    /// What runs an image.
    /// - Returns: `nil` where the runtime does not tell: a foreign one, which runs containers only.
    func classify(image: String) async throws -> RuntimePlan.ImageRuntime?
    /// - Returns: `nil` when the image is not there.
    func image(_ spec: CRI.ImageSpec) async throws -> CRI.Image?
    /// - Returns: the image as the runtime knows it.
    func pull(_ spec: CRI.ImageSpec, auth: CRI.AuthConfig?, sandbox: CRI.PodSandboxConfig) async throws -> String

    /// How far the pull of an image is; `nil` where the runtime does not tell, or does not pull it.
    func pullProgress(of image: String) async throws -> PullProgress?

    func createContainer(_ config: CRI.ContainerConfig, sandboxID: String, sandbox: CRI.PodSandboxConfig) async throws
        -> String
    func startContainer(_ id: String) async throws
    /// - Parameter grace: seconds between the stop signal and the kill.
    func stopContainer(_ id: String, grace: Int64) async throws
    /// Safe to repeat, and for one that is gone.
    func removeContainer(_ id: String) async throws

    /// Runs a command to its end. `timedOut` when it did not end in time; it is killed then.
    func execSync(_ id: String, _ command: [String], timeout: Duration?) async throws -> CRI.ExecSyncResponse
    /// Changes what a running container may use; `unimplemented` where the runtime cannot.
    func updateResources(_ id: String, _ resources: CRI.LinuxContainerResources) async throws
    /// Has a running container go on with its log in a new file: the old one was renamed.
    func reopenLog(_ id: String) async throws

    /// Where the streams of a command are to be had.
    func execURL(_ request: CRI.ExecRequest) async throws -> String
    func attachURL(_ request: CRI.AttachRequest) async throws -> String
    func portForwardURL(_ request: CRI.PortForwardRequest) async throws -> String
}

/// What a pod is made of and how far it is: two are equal when nothing happened.
struct PodDigest: Sendable, Hashable {
    struct Part: Sendable, Hashable {
        var id: String
        var state: Int32
    }
    var identity: KubeletIdentity
    var sandboxes: Set<Part> = []
    var containers: Set<Part> = []
    /// Annotations of the newest sandbox.
    var annotations: [String: String] = [:]
    /// Seconds its containers get to end, as their annotations say; `nil` where none says it.
    var grace: Int64?
}
