import Processes
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Starts the process that owns a machine.
protocol SupervisorLauncher: Sendable {
    /// Why no machine can be started here; nil when nothing is known to be in the way.
    func check() -> ShimError?
    /// - Parameter namespace: the file of the network namespace it runs in from its first instruction.
    func launch(_ bundle: MachineBundle, namespace: String?) async throws -> LaunchedSupervisor
}

/// A supervisor that this process started.
struct LaunchedSupervisor: Sendable {
    /// nil when it ended before anybody could look.
    var identity: ProcessIdentity?
    /// Suspends until it has ended and was reaped; says how it ended.
    var waitForEnd: @Sendable () async -> String
}

/// `vm-host run`, in a session of its own: it outlives this program.
struct VMHostLauncher: SupervisorLauncher {
    /// A path.
    var program: String
    var logLevel: String?

    /// Beside this very program, wherever that is.
    static func standardProgram() -> String {
        let own = ExecutablePath.current()
        guard let slash = own.lastIndex(of: "/") else { return "vm-host" }
        return own[..<slash] + "/vm-host"
    }

    func check() -> ShimError? {
        guard access(program, X_OK) == 0 else {
            return ShimError(
                .unavailable,
                "virtual machines need the program \(program): \(String(cString: strerror(errno))); vmHost in the "
                    + "configuration names another")
        }
        if let missing = Self.missingEngine() {
            return ShimError(.unavailable, "virtual machines need QEMU: \(missing)")
        }
        return nil
    }

    func launch(_ bundle: MachineBundle, namespace: String?) async throws -> LaunchedSupervisor {
        if let problem = check() { throw problem }
        let log = try await RootDirectory.offload { () -> Int32 in
            let descriptor = open(bundle.supervisorLog, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw RootDirectory.failure("opening \(bundle.supervisorLog)", errno) }
            return descriptor
        }
        defer { close(log) }
        var request = ProcessRequest(
            program, ["run", "--bundle", bundle.directory, "--run-dir", bundle.runDirectory])
        if let logLevel { request.arguments += ["--log-level", logLevel] }
        request.descriptors = [-1, log, log]
        request.hasOwnSession = true
        request.networkNamespace = namespace
        request.directory = "/"
        request.environment = Self.environment
        let child = try await ChildProcess.start(request)
        return LaunchedSupervisor(identity: child.identity) { "\(await child.waitForEnd())" }
    }

    /// What a supervisor needs of our environment; nothing else of it is its business.
    private static var environment: [String: String] {
        var environment = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"]
        for name in ["PATH", "HOME", "USER", "TMPDIR", "TZ", "VZCRI_QEMU", "SWIFT_BACKTRACE"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }
}
