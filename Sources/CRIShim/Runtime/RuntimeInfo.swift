import Proto
import Synchronization

/// What Version, Status and RuntimeConfig say, kept so that they are answered without asking anybody.
final class RuntimeInfo: Sendable {
    static let name = "vz-cri"
    static let apiVersion = "v1"

    struct Engine: Sendable {
        /// For example `28.2.2`.
        var version = ""
        var apiVersion = ""
        var operatingSystem = ""
        var architecture = ""
        var kernel = ""
        /// `cgroupfs`, `systemd` or `none`.
        var cgroupDriver = ""
        var cgroupVersion = ""
        /// Where it keeps images and containers.
        var rootDirectory = ""
        var storageDriver = ""
        /// Of the machine its containers run on; 0 when it does not say.
        var cpuCount = 0
        var memoryBytes: UInt64 = 0
        /// As the engine lists them: `name=seccomp,profile=default` …
        var securityOptions: [String] = []
        var appArmor: Bool { securityOptions.contains { $0.contains("apparmor") } }
        var seLinux: Bool { securityOptions.contains { $0.contains("selinux") } }
    }

    struct State: Sendable {
        /// nil until the engine answered for the first time.
        var engine: Engine?
        var podCIDR = ""
    }

    /// This program's version.
    let version: String
    private let state = Mutex(State())

    init(version: String) { self.version = version }

    var engine: Engine? {
        get { state.withLock { $0.engine } }
        set { state.withLock { $0.engine = newValue } }
    }

    var podCIDR: String {
        get { state.withLock { $0.podCIDR } }
        set { state.withLock { $0.podCIDR = newValue } }
    }
}
