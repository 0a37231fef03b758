#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What the defaults depend on: the system, whether we are root, and where the user keeps things.
public struct HostPlatform: Sendable {
    public enum System: Sendable { case linux, macOS }

    public var system: System
    public var isRoot: Bool
    public var environment: [String: String]
    public var workingDirectory: String
    /// Whether a file is there; asked only to find a Docker Engine's socket.
    public var exists: @Sendable (String) -> Bool

    public init(
        system: System, isRoot: Bool, environment: [String: String], workingDirectory: String = "/",
        exists: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
        self.system = system
        self.isRoot = isRoot
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.exists = exists
    }

    /// This machine and this process.
    public static func current(environment: [String: String]) -> HostPlatform {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let isKnown = getcwd(&buffer, buffer.count) != nil
        let bytes = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
        let working = isKnown ? String(decoding: bytes, as: UTF8.self) : "/"
        return HostPlatform(
            system: .running, isRoot: geteuid() == 0, environment: environment, workingDirectory: working,
            exists: { access($0, F_OK) == 0 })
    }

    var home: String { variable("HOME") ?? "/" }

    /// What must survive a restart.
    public var rootDirectory: String {
        switch system {
        case .macOS: home + "/.vz-cri"
        case .linux where isRoot: "/var/lib/vz-cri"
        case .linux: (variable("XDG_DATA_HOME") ?? home + "/.local/share") + "/vz-cri"
        }
    }

    /// The shim's unix socket: short, for `sun_path` holds about a hundred bytes.
    public var socketPath: String {
        switch system {
        case .macOS: home + "/.vz-cri/run/cri.sock"
        case .linux where isRoot: "/run/vz-cri/cri.sock"
        case .linux: variable("XDG_RUNTIME_DIR").map { $0 + "/vz-cri/cri.sock" } ?? rootDirectory + "/run/cri.sock"
        }
    }

    /// Sockets and namespaces: what need not survive a restart of the host.
    public var stateDirectory: String {
        let path = socketPath
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? path
    }

    /// Read when it is there and no other is named.
    public var configurationFile: String {
        switch system {
        case .macOS: home + "/.vz-cri/config.yaml"
        case .linux where isRoot: "/etc/vz-cri/config.yaml"
        case .linux: (variable("XDG_CONFIG_HOME") ?? home + "/.config") + "/vz-cri/config.yaml"
        }
    }

    /// Where containers' log files go.
    public var podLogsDirectory: String {
        switch system {
        case .macOS: home + "/Library/Logs/vz-cri/pods"
        case .linux where isRoot: "/var/log/pods"
        case .linux: rootDirectory + "/logs/pods"
        }
    }

    /// The system's logs, as a kubelet shows them.
    public var nodeLogsDirectory: String {
        switch system {
        case .macOS: home + "/Library/Logs/vz-cri"
        case .linux where isRoot: "/var/log"
        case .linux: rootDirectory + "/logs"
        }
    }

    /// The socket of the Docker Engine this user most likely means.
    public var dockerHost: String {
        let candidates: [String] =
            switch system {
            case .macOS:
                [
                    home + "/.docker/run/docker.sock", home + "/.orbstack/run/docker.sock",
                    home + "/.colima/default/docker.sock",
                ]
            case .linux where isRoot: []
            case .linux: variable("XDG_RUNTIME_DIR").map { [$0 + "/docker.sock"] } ?? []
            }
        return "unix://" + (candidates.first(where: exists) ?? "/var/run/docker.sock")
    }

    func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
