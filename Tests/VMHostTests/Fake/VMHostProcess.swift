import Foundation
import Logging
import NIOCore
import NIOPosix
import Processes
import Support
import Testing
import VZEngine

@testable import VMHost

/// The built `vm-host` with a real machine: the guest of `examples/linux-guest` under QEMU.
final class VMHostProcess: Sendable {
    let bundle: MachineBundle
    let client: MachineClient
    let log: String
    let process: Support.ChildProcess

    private static var program: String {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "vm-host").path
    }

    static func with(
        _ change: (inout MachineConfig, String) throws -> Void = { _, _ in },
        _ body: (VMHostProcess, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let guest = try await LinuxGuest.made()
            let id = (0..<64).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
            let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
            try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
            var config = MachineConfig(
                id: id, sandboxID: "s",
                boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
                credentials: .init(user: guest.user, keyFile: guest.privateKeyFile))
            config.memoryBytes = 256 << 20
            config.disks = [
                try await DiskClone.make(of: guest.disk, format: .raw, at: bundle.directory + "/disk").disk
            ]
            config.logPath = directory + "/0.log"
            try change(&config, directory)
            try JSONEncoder().encode(config).write(to: URL(filePath: bundle.config))
            let host = try VMHostProcess(bundle, log: config.logPath)
            do {
                try await body(host, directory)
            } catch {
                await host.tearDown()
                throw error
            }
            await host.tearDown()
        }
    }

    private init(_ bundle: MachineBundle, log: String) throws {
        self.bundle = bundle
        self.log = log
        client = MachineClient(
            socketPath: bundle.controlSocket, group: MultiThreadedEventLoopGroup.singleton, logger: HostHarness.quiet)
        process = try Self.start(bundle)
    }

    static func start(_ bundle: MachineBundle) throws -> Support.ChildProcess {
        try Support.ChildProcess(program, ["run", "--bundle", bundle.directory, "--run-dir", bundle.runDirectory])
    }

    private func tearDown() async {
        process.send(SIGKILL)
        _ = await process.wait()
    }

    /// Until its guest answers, or it has ended.
    func reached() async throws {
        try await eventually("vm-host answers") {
            do { _ = try await client.hello() } catch { return !process.isRunning }
            return true
        }
        for try await status in try await client.watch() where status.wasReachable { return }
        Issue.record("the guest was never reachable: \(process.errors)")
    }

    func record() throws -> ExitRecord {
        try JSONDecoder().decode(ExitRecord.self, from: Data(contentsOf: URL(filePath: bundle.exit)))
    }

    func logLines() throws -> [String] {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { line in
            String(line[line.index(after: line.firstIndex(of: " ")!)...])
        }
    }

    /// What a command in the guest says on both its outputs, and its code.
    func exec(_ command: [String]) async throws -> (said: String, code: Int32?) {
        let session = try await client.exec(GuestExec(command: command))
        var said = ""
        for try await event in session.events {
            switch event {
            case .output(let bytes), .errorOutput(let bytes): said += String(buffer: bytes)
            case .exited(let code): return (said, code)
            case .failed(let error): throw error
            }
        }
        return (said, nil)
    }
}
