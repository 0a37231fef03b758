public import Sockets

/// What files, programs and sockets of a host say. Checks ask nothing else, so that a test can answer.
///
/// Nothing here throws: what could not be found out is an answer as well.
public protocol Host: Sendable {
    var system: HostSystem { get }
    /// `x86_64`, `arm64`.
    var architecture: String { get }
    /// The effective user's number.
    var userID: UInt32 { get }
    var environment: [String: String] { get }
    /// Seconds since 1970.
    var now: Int64 { get }

    /// Links are followed. nil when it is not there.
    func look(at path: String) async -> FileFacts?
    /// nil when it cannot be read; 1 MiB at most.
    func text(of path: String) async -> String?
    /// nil when it is no directory that can be read.
    func names(in directory: String) async -> [String]?
    /// Whether this process may do that.
    func may(_ access: FileAccess, _ path: String) async -> Bool
    /// Runs a program to its end.
    func run(_ program: String, _ arguments: [String]) async -> ProgramOutcome
    func connect(to endpoint: Endpoint) async -> ConnectOutcome
    /// Listens for a moment.
    func listen(on host: String, port: Int) async -> ListenOutcome
    /// Of the file system of a directory; nil when it cannot be told.
    func space(at directory: String) async -> Space?
    /// Makes a file there and shares its blocks with another one. Leaves nothing.
    func tryClone(in directory: String) async -> TrialOutcome
    /// Runs a tiny guest with the processor's help.
    func tryKVM() async -> TrialOutcome
    /// Asks a Docker Engine what it is.
    func docker(at endpoint: Endpoint) async -> DockerOutcome
    /// Writes a file there and reads it through a container. Leaves nothing.
    func tryDocker(at endpoint: Endpoint, sees directory: String) async -> TrialOutcome
    /// The emulator of this host's architecture, where its firmware may be, and the program that serves directories.
    var qemu: QEMUFacts { get }
}

public enum HostSystem: String, Sendable { case linux, macOS }

public enum FileAccess: Sendable { case read, write, execute }

public struct FileFacts: Sendable, Hashable {
    public enum Kind: Sendable { case file, directory, socket, other }
    public var kind: Kind
    /// The lower twelve bits.
    public var mode: UInt32
    public var owner: UInt32

    public init(_ kind: Kind, mode: UInt32, owner: UInt32 = 0) {
        self.kind = kind
        self.mode = mode
        self.owner = owner
    }
}

public enum ProgramOutcome: Sendable, Hashable {
    case missing
    /// It took too long, or could not be run.
    case failed(String)
    case ended(code: Int32, output: String, errors: String)
}

public enum ConnectOutcome: Sendable, Hashable {
    case connected
    case refused
    /// Nothing of that name: a unix socket that is not there.
    case absent
    /// `EHOSTUNREACH` and its like: nothing was sent.
    case unreachable
    case late
    case failed(String)
}

public enum ListenOutcome: Sendable, Hashable {
    case free
    case taken
    case failed(String)
}

public struct Space: Sendable, Hashable {
    public var freeBytes: UInt64
    public var totalBytes: UInt64

    public init(freeBytes: UInt64, totalBytes: UInt64) {
        self.freeBytes = freeBytes
        self.totalBytes = totalBytes
    }
}

/// Something was really tried.
public enum TrialOutcome: Sendable, Hashable {
    case works
    case doesNotWork(String)
    /// It could not be tried.
    case unknown(String)
}

public enum DockerOutcome: Sendable, Hashable {
    /// Its version, and what it runs on.
    case answers(version: String, system: String)
    case failed(String)
}

public struct QEMUFacts: Sendable, Hashable {
    /// A path, or a name in `PATH`.
    public var emulator: String
    /// Pairs of files of which one pair is enough.
    public var firmware: [[String]]
    /// Paths of which one is enough.
    public var shareServers: [String]

    public init(emulator: String, firmware: [[String]], shareServers: [String]) {
        self.emulator = emulator
        self.firmware = firmware
        self.shareServers = shareServers
    }
}

extension Host {
    /// The directory itself, or the lowest above it that is there.
    func nearest(_ path: String) async -> String {
        var path = path
        while path != "/", await look(at: path) == nil {
            let slash = path.lastIndex(of: "/") ?? path.startIndex
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return path
    }

    /// What a program that succeeded said; nil otherwise.
    func output(_ program: String, _ arguments: [String]) async -> String? {
        guard case .ended(0, let output, _) = await run(program, arguments) else { return nil }
        return output
    }
}
