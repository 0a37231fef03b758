public import ArgumentParser
public import CRIControl
import Launch
import Logging
import NIOPosix
import Settings
import Sockets
import TLS

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `cri-shim ctl`: a small CRI client for hosts without crictl. It talks to any CRI v1 endpoint.
struct Ctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ctl",
        abstract: "Ask or drive a CRI runtime: ours by default, any CRI v1 endpoint with --endpoint.",
        discussion: """
            Pods and containers are named by id, the beginning of an id, or name: NAME, POD/NAME, NAMESPACE/POD/NAME.
            """,
        subcommands: [
            CtlVersion.self, CtlInfo.self, CtlPods.self, CtlPs.self, CtlImages.self, CtlStats.self, CtlConfig.self,
            CtlInspect.self, CtlInspectPod.self, CtlPull.self, CtlRemoveImage.self, CtlLogs.self, CtlExec.self,
            CtlAttach.self, CtlPortForward.self, CtlStop.self, CtlRemove.self, CtlStopPod.self, CtlRemovePod.self,
        ])
}

/// Which runtime a command talks to, and how.
struct CtlConnection: ParsableArguments {
    @Option(
        name: [.long, .customShort("e")],
        help: "unix:///PATH or tcp://HOST:PORT (default: $CONTAINER_RUNTIME_ENDPOINT, else this host's cri-shim).")
    var endpoint: String?

    @Option(help: "Seconds to wait for an answer.")
    var timeout: Int = 10

    @Option(name: .customLong("ca"), help: "PEM file with the authority that signed a tcp:// server's certificate.")
    var authority: String?
    @Option(name: .customLong("cert"), help: "PEM file with our certificate for a tcp:// server.")
    var certificate: String?
    @Option(name: .customLong("key"), help: "PEM file with its key.")
    var key: String?
    @Option(help: "The name a tcp:// server's certificate must have, when it is not the host's.")
    var serverName: String?

    func validate() throws {
        guard timeout > 0 else { throw ValidationError("--timeout takes a positive number of seconds") }
        guard (certificate == nil) == (key == nil) else { throw ValidationError("--cert and --key go together") }
    }

    /// The endpoint's text, and where it was found.
    var source: (text: String, origin: String) {
        if let endpoint { return (endpoint, "--endpoint") }
        if let value = getenv("CONTAINER_RUNTIME_ENDPOINT").map({ String(cString: $0) }), !value.isEmpty {
            return (value, "CONTAINER_RUNTIME_ENDPOINT")
        }
        return ("unix://" + CtlDefaults.socketPath, "default")
    }

    /// Runs a command with a client, and turns its failure into one line and an exit code.
    func run(_ body: @Sendable (ControlCommands) async throws -> Void) async throws {
        let client: ControlClient
        do {
            client = try makeClient()
        } catch {
            throw ProgramFailure("\(error)", exitCode: Exit.usage)
        }
        let output = ControlOutput(standard: descriptorSink(1), error: descriptorSink(2))
        let commands = ControlCommands(client: client, output: output, now: CtlDefaults.now)
        do {
            try await body(commands)
            await client.close()
        } catch {
            await client.close()
            throw error is ExitCode ? error : ProgramFailure("\(error)")
        }
    }

    private func makeClient() throws -> ControlClient {
        let endpoint = try Endpoint(parsing: source.text)
        var tls: TLSClientConfiguration?
        if case .tcp = endpoint, authority != nil || certificate != nil {
            tls = TLSClientConfiguration(
                caFile: authority, certificateFile: certificate, keyFile: key, serverName: serverName)
        }
        var logger = Logger(label: "ctl") { _ in StandardErrorLog() }
        logger.logLevel = .error
        return try ControlClient(
            endpoint: endpoint, tls: tls, timeout: .seconds(timeout), group: MultiThreadedEventLoopGroup.singleton,
            logger: logger)
    }
}

enum CtlDefaults {
    /// Where `cri-shim serve` listens unless told otherwise.
    static var socketPath: String {
        HostPlatform.current(environment: ProcessInfo.processInfo.environment).socketPath
    }

    /// Nanoseconds since 1970.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension OutputFormat: ExpressibleByArgument {}
