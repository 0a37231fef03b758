import Foundation
import Logging
import NIOPosix
import Support
import Testing
import VZEngine

@testable import VMHost

/// A supervisor in this process, with a machine of nothing and a guest of this host's programs.
struct HostHarness: Sendable {
    let bundle: MachineBundle
    let engine: FakeEngine
    let guest: LocalGuest
    let client: MachineClient
    let log: String
    private let directory: String
    private let run: Task<Void, any Error>

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func with(
        engine: FakeEngine = FakeEngine(), isBooted: Bool = true, overSSH: Bool = false, hostKey: String? = nil,
        _ change: (inout MachineConfig) -> Void = { _ in },
        _ body: (HostHarness) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            var config = MachineConfig(
                id: String(repeating: "ab", count: 32), sandboxID: "s", boot: .efi(variables: nil),
                credentials: .init(user: "root"))
            config.logPath = directory + "/logs/0.log"
            config.terminationMessageFile = directory + "/termination"
            change(&config)
            let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
            try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
            try JSONEncoder().encode(config).write(to: URL(filePath: bundle.config))
            if let hostKey { try hostKey.write(toFile: bundle.hostKey, atomically: true, encoding: .utf8) }
            let guest = LocalGuest(engine, isBooted: isBooted)
            let harness = HostHarness(
                bundle: bundle, engine: engine, guest: guest,
                client: MachineClient(
                    socketPath: bundle.controlSocket, group: MultiThreadedEventLoopGroup.singleton, logger: quiet),
                log: config.logPath, directory: directory,
                run: Task { try await start(bundle, engine, overSSH ? nil : guest) })
            do {
                try await body(harness)
            } catch {
                await harness.tearDown()
                throw error
            }
            await harness.tearDown()
        }
    }

    static func start(_ bundle: MachineBundle, _ engine: FakeEngine, _ guest: LocalGuest?) async throws {
        try await VMHost.run(bundle, logger: quiet) { config, logger in
            Supervisor.Surroundings(
                engine: engine,
                guest: { address in
                    if let guest { return guest }
                    return try SSHGuest(config, at: address, in: bundle, logger: logger)
                }, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        }
    }

    /// Until the supervisor has ended.
    func ended() async throws { try await run.value }

    private func tearDown() async {
        engine.machine?.end(.forced)
        _ = await run.result
    }

    /// `exit.json`
    func record() throws -> ExitRecord {
        try JSONDecoder().decode(ExitRecord.self, from: Data(contentsOf: URL(filePath: bundle.exit)))
    }

    var termination: String? { try? String(contentsOfFile: directory + "/termination", encoding: .utf8) }

    /// What each entry of the log holds, with its stream and tag.
    func logLines() throws -> [String] {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { line in
            String(line[line.index(after: line.firstIndex(of: " ")!)...])
        }
    }

    /// Until the control socket answers.
    func connected() async throws {
        try await eventually("the supervisor answers") {
            do { _ = try await client.hello() } catch { return false }
            return true
        }
    }

    func reached() async throws {
        try await connected()
        for try await status in try await client.watch() where status.wasReachable { return }
    }
}
