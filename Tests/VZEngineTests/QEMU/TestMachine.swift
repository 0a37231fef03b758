import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Processes
import Support
import Testing

@testable import VZEngine

/// A machine of a test: its files are in a directory of its own, its guest is `examples/linux-guest`.
struct TestMachine: Sendable {
    let directory: String
    var config: MachineConfig
    let bundle: MachineBundle
    private let guest: LinuxGuest?

    /// With the guest, cloned.
    static func guest(_ directory: String, _ server: LinuxGuest.SSHServer = .dropbear) async throws -> TestMachine {
        let guest = try await LinuxGuest.made(server)
        let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
        try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
        var config = MachineConfig(
            id: Self.newID(), sandboxID: "s",
            boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
            credentials: .init(user: guest.user, keyFile: guest.privateKeyFile))
        config.memoryBytes = 256 << 20
        config.disks = [
            try await DiskClone.make(of: guest.disk, format: .raw, at: bundle.directory + "/disk").disk
        ]
        return TestMachine(directory: directory, config: config, bundle: bundle, guest: guest)
    }

    /// With a guest that only stands still: started within a moment.
    static func idle(_ directory: String) throws -> TestMachine {
        let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
        try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
        let kernel = bundle.directory + "/kernel"
        try Data(KVMProbePayload(QEMUPlatform.current.architecture).bytes).write(to: URL(filePath: kernel))
        var config = MachineConfig(
            id: Self.newID(), sandboxID: "s", boot: .kernel(path: kernel, initrd: nil, commandLine: ""),
            credentials: .init(user: "root"))
        config.memoryBytes = 64 << 20
        return TestMachine(directory: directory, config: config, bundle: bundle, guest: nil)
    }

    private static func newID() -> String {
        (0..<64).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
    }

    func start(_ change: (inout QEMUOptions) -> Void = { _ in }) async throws -> RunningMachine {
        RunningMachine(machine: try await startAlone(change), test: self, keyFile: guest?.privateKeyFile ?? "")
    }

    /// With nobody who reads its console yet.
    func startAlone(_ change: (inout QEMUOptions) -> Void = { _ in }) async throws -> any Machine {
        var options = QEMUOptions()
        options.probeFile = nil
        options.accelerator = .tcg
        options.startDeadline = .seconds(120)
        change(&options)
        return try await QEMUEngine(options, logger: Logger(label: "test")).start(config, in: bundle)
    }

    /// What is in its run directory.
    var leftovers: [String] {
        get throws {
            guard FileManager.default.fileExists(atPath: bundle.runDirectory) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: bundle.runDirectory)
        }
    }
}

/// It runs, and what its console said is kept.
final class RunningMachine: Sendable {
    let machine: any Machine
    private let test: TestMachine
    private let keyFile: String
    private let said = NIOLockedValueBox("")
    private let reader: Task<Void, Never>

    init(machine: any Machine, test: TestMachine, keyFile: String) {
        self.machine = machine
        self.test = test
        self.keyFile = keyFile
        let (said, console) = (said, machine.console)
        reader = Task {
            for await bytes in console { said.withLockedValue { $0 += String(buffer: bytes) } }
        }
    }

    var console: String { said.withLockedValue { $0 } }

    /// Waits for the console's end, which comes with the machine's.
    func wholeConsole() async -> String {
        await reader.value
        return console
    }

    struct SSHFailed: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a command in the guest, waiting for it to boot.
    @discardableResult
    func ssh(_ command: String, limit: Duration = .seconds(180)) async throws -> String {
        let address = try await machine.guestAddress()
        let end = ContinuousClock.now + limit
        var last = ""
        while ContinuousClock.now < end {
            do {
                let result = try await Command.run(
                    "ssh",
                    [
                        "-F", "/dev/null", "-i", keyFile, "-p", "\(address.port)", "-o", "StrictHostKeyChecking=no",
                        "-o",
                        "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-o",
                        "ServerAliveInterval=5", "-o", "BatchMode=yes", "root@\(address.host)", command,
                    ], deadline: .seconds(60))
                if result.end.isSuccess { return result.text }
                last = "\(result.end) \(result.errorText)"
                // 255 is ssh's own: the guest is not there yet.
                guard result.end == .exited(code: 255) else { break }
            } catch let error as ProcessError where error.code == .deadline {
                // Connected to a guest that went away meanwhile.
                last = "\(error)"
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw SSHFailed(description: "\(command): \(last) console: \(console)")
    }

    /// Starts what takes the guest away, a moment after this connection has ended.
    func sshLater(_ command: String) async throws {
        try await ssh("(usleep 300000; \(command)) >/dev/null 2>&1 </dev/null &")
    }

    /// Until the guest is there again.
    func reboot() async throws {
        let question = "cat /proc/sys/kernel/random/boot_id"
        let before = try await ssh(question)
        try await sshLater("reboot -f")
        for await change in machine.changes where change == .restarted { break }
        #expect(try await ssh(question) != before)
    }
}
