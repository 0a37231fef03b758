/// What is kept on disk of a sandbox: `sandboxes/<id>/config.json` under the root. Enough to answer for it and to make
/// containers in it after a restart.
struct SandboxRecord: Codable, Sendable, Hashable {
    /// The newest layout this program writes and reads. A record of a newer one is refused and left alone.
    static let schema = 1

    enum Phase: String, Codable, Sendable {
        /// RunPodSandbox has not finished; found after a crash, the sandbox is listed as not ready.
        case creating
        case ready
        /// StopPodSandbox was called, or the sandbox fell over.
        case stopped
    }

    struct Metadata: Codable, Sendable, Hashable {
        var name = ""
        var namespace = ""
        var uid = ""
        var attempt: UInt32 = 0
    }

    struct DNS: Codable, Sendable, Hashable {
        var servers: [String] = []
        var searches: [String] = []
        var options: [String] = []
    }

    struct PortMapping: Codable, Sendable, Hashable {
        /// The CRI's number: 0 TCP, 1 UDP, 2 SCTP.
        var `protocol`: Int32 = 0
        var containerPort: Int32 = 0
        var hostPort: Int32 = 0
        var hostIP = ""
    }

    /// The CRI's numbers: 0 POD, 1 CONTAINER, 2 NODE, 3 TARGET.
    struct Namespaces: Codable, Sendable, Hashable {
        var network: Int32 = 0
        var pid: Int32 = 0
        var ipc: Int32 = 0
        /// Whether the request named them: they are echoed only then.
        var given = false
    }

    var schema = Self.schema
    var id = ""
    var phase = Phase.creating
    /// The RuntimeClass handler as it was requested.
    var handler = ""
    /// Which runtime holds the sandbox's namespaces; nil for one that is only a record.
    var runtime: String?
    /// Nanoseconds since 1970.
    var createdAt: Int64 = 0
    var metadata = Metadata()
    var hostname = ""
    var logDirectory = ""
    var dns: DNS?
    var ports: [PortMapping] = []
    var labels: [String: String] = [:]
    var annotations: [String: String] = [:]
    var cgroupParent = ""
    var sysctls: [String: String] = [:]
    var namespaces = Namespaces()
    var security = SandboxSecurity()
    /// The pod's network is one that we made, not its holder's. Absent in records of before there were such.
    var hasOwnNetwork: Bool?
    /// The pod's address is that of its machine, which has one of its own on a bridge of the host's.
    var hasGuestAddress: Bool?

    /// What makes a sandbox the same as another: at most one exists per name, namespace, uid and attempt.
    var reservation: String { Self.reservation(metadata) }

    static func reservation(_ metadata: Metadata) -> String {
        "\(metadata.namespace)/\(metadata.name)/\(metadata.uid)/\(metadata.attempt)"
    }
}

/// The part of a sandbox's security context that its own container and its members need.
struct SandboxSecurity: Codable, Sendable, Hashable {
    var privileged = false
    var readOnlyRoot = false
    var runAsUser: Int64?
    var runAsGroup: Int64?
    var supplementalGroups: [Int64] = []
    var seccomp: SecurityProfileRecord?
    var seLinux: SELinuxRecord?
}

/// A seccomp or AppArmor profile; `kind` is the CRI's number: 0 runtime default, 1 unconfined, 2 localhost.
struct SecurityProfileRecord: Codable, Sendable, Hashable {
    var kind: Int32 = 0
    var reference = ""
}

struct SELinuxRecord: Codable, Sendable, Hashable {
    var user = ""
    var role = ""
    var type = ""
    var level = ""
}
