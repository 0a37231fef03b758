import Foundation
import Logging
import NIOCore
import NIOPosix
import Processes
import Synchronization
import VZEngine
import Waiting

@testable import CRIShim

/// Supervisors that live in the test's own process, behind real control sockets. What the system sees of each is a
/// process that sleeps: killing it is the supervisor's crash.
final class FakeSupervisors: SupervisorLauncher {
    struct Behaviour: Sendable {
        /// Ends before it runs, with these words.
        var failure: String?
        /// Never gets an address.
        var hangs = false
        /// Runs only when told to.
        var waits = false
        /// Does not react to a stop.
        var isDeaf = false
        /// Its guest answers, as far as it says.
        var isReachable = false
        /// Whether its guest gives back memory.
        var hasBalloon = true
    }

    private let all = Mutex<[String: FakeSupervisor]>([:])
    let behaviour = Mutex(Behaviour())
    let launches = Mutex<[(id: String, namespace: String?)]>([])

    func check() -> ShimError? { nil }

    func launch(_ bundle: MachineBundle, namespace: String?) async throws -> LaunchedSupervisor {
        let config = try JSONDecoder().decode(
            MachineConfig.self, from: Data(RootDirectory.read(bundle.config) ?? []))
        var request = ProcessRequest("sleep", ["100000"])
        request.diesWithParent = true
        let child = try await ChildProcess.start(request)
        guard let identity = child.identity else { throw ShimError(.failed, "sleep did not stay") }
        try bundle.write(identity, to: bundle.supervisor)
        let fake = FakeSupervisor(
            bundle: bundle, config: config, child: child, identity: identity, behaviour: behaviour.withLock { $0 })
        all.withLock { $0[config.id] = fake }
        launches.withLock { $0.append((config.id, namespace)) }
        Task { await fake.run() }
        Task { await fake.leaveWhenKilled() }
        return LaunchedSupervisor(identity: identity) { "\(await child.waitForEnd())" }
    }

    subscript(_ id: String) -> FakeSupervisor? { all.withLock { $0[id] } }

    func endAll() async {
        for fake in all.withLock({ Array($0.values) }) { await fake.crash() }
    }
}

final class FakeSupervisor: ControlService {
    let config: MachineConfig
    private let bundle: MachineBundle
    private let child: ChildProcess
    private let identity: ProcessIdentity
    private let behaviour: FakeSupervisors.Behaviour

    private struct State {
        var status = MachineStatus(phase: .starting)
        var watchers: [AsyncStream<MachineStatus>.Continuation] = []
        var server: ControlServer?
        var isOver = false
    }
    private let state = Mutex(State())
    let stopped = Mutex<[Int64]>([])
    let reopened = Mutex(0)
    /// What was done with the machine, in order.
    let operations = Mutex<[String]>([])
    /// Its machine says nothing of itself.
    let isMute = Mutex(false)
    private let memory = Mutex<Int64?>(nil)
    private let over = Latch()

    init(
        bundle: MachineBundle, config: MachineConfig, child: ChildProcess, identity: ProcessIdentity,
        behaviour: FakeSupervisors.Behaviour
    ) {
        self.bundle = bundle
        self.config = config
        self.child = child
        self.identity = identity
        self.behaviour = behaviour
    }

    func run() async {
        if let failure = behaviour.failure {
            return await end(code: 128, reason: "StartError", message: failure)
        }
        do {
            let server = try await ControlServer.start(
                socketPath: bundle.controlSocket, service: self, machineID: config.id, supervisor: identity,
                group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "fake"))
            let isLate = state.withLock { state in
                state.server = server
                return state.isOver
            }
            if isLate { await server.close(within: .zero) }
        } catch {
            return child.signal(9)
        }
        if !behaviour.hangs, !behaviour.waits { beRunning() }
    }

    func beRunning() {
        // A supervisor knows when its machine began before it knows its address.
        publish { $0.startedAt = Timestamps.now() }
        publish { status in
            status.phase = .running
            status.address = GuestAddress(host: "127.0.0.1", port: 2222)
            status.isReachable = behaviour.isReachable
        }
    }

    /// The guest's network gives it another address.
    func move(to host: String) {
        publish { $0.address = GuestAddress(host: host, port: 22) }
    }

    func tell(_ notice: MachineStatus.Notice) { publish { $0.notices = ($0.notices ?? []) + [notice] } }

    private func publish(_ change: (inout MachineStatus) -> Void) {
        state.withLock { state in
            guard !state.isOver else { return }
            change(&state.status)
            for watcher in state.watchers { watcher.yield(state.status) }
        }
    }

    /// The machine ends, and its supervisor says how.
    func end(code: Int32, reason: String = "Error", message: String = "") async {
        guard !state.withLock({ $0.isOver }) else { return }
        let record = ExitRecord(
            exitCode: code, reason: reason, message: message, startedAt: status().startedAt,
            finishedAt: Timestamps.now())
        try? bundle.write(record, to: bundle.exit)  // a bundle that is gone needs none
        publish { status in
            status.phase = .exited
            status.exit = record
        }
        await leave()
    }

    /// The supervisor is killed, and says nothing.
    func crash() async {
        guard !state.withLock({ $0.isOver }) else { return }
        await leave()
    }

    /// A supervisor that is killed takes its sockets with it.
    func leaveWhenKilled() async {
        _ = await child.waitForEnd()
        await crash()
    }

    private func leave() async {
        let (server, watchers) = state.withLock { state in
            state.isOver = true
            defer { state.watchers = [] }
            return (state.server, state.watchers)
        }
        for watcher in watchers { watcher.finish() }
        child.signal(9)
        await server?.close(within: .milliseconds(100))
        _ = await child.waitForEnd()
        over.open()
    }

    // MARK: ControlService

    func status() -> MachineStatus { state.withLock { $0.status } }

    func statuses() -> AsyncStream<MachineStatus> {
        let (stream, continuation) = AsyncStream.makeStream(of: MachineStatus.self)
        state.withLock { state in
            continuation.yield(state.status)
            if state.isOver { continuation.finish() } else { state.watchers.append(continuation) }
        }
        return stream
    }

    func stop(graceSeconds: Int64) async throws {
        stopped.withLock { $0.append(graceSeconds) }
        if behaviour.isDeaf {
            _ = await over.wait(atMost: .seconds(600))
        } else {
            Task { await end(code: graceSeconds > 0 ? 143 : 137) }
            _ = await over.wait(atMost: .seconds(600))
        }
    }

    func reopenLog() async throws { reopened.withLock { $0 += 1 } }

    func statistics() async throws -> MachineStatistics {
        if isMute.withLock({ $0 }) { try await Task.sleep(for: .seconds(600)) }
        var statistics = MachineStatistics()
        statistics.memoryBytes = memory.withLock { $0 } ?? config.memoryBytes
        statistics.availableMemoryBytes = 77 << 20
        return statistics
    }

    func setMemory(bytes: Int64) async throws {
        operations.withLock { $0.append("setMemory \(bytes >> 20)") }
        if behaviour.hasBalloon { memory.withLock { $0 = bytes } }
    }

    func pause() async throws {
        operations.withLock { $0.append("pause") }
        publish { $0.isPaused = true }
    }

    func resume() async throws {
        operations.withLock { $0.append("resume") }
        publish { $0.isPaused = nil }
    }

    func save(to path: String) async throws {
        operations.withLock { $0.append("save") }
        guard status().isPaused == true else { throw VZEngineError(.invalidArgument, "it is not paused") }
        try Data("state".utf8).write(to: URL(filePath: path))
    }

    func exec(_ request: GuestExec, _ session: ControlSession) async throws {
        switch request.command.first {
        case "boot": throw VZEngineError(.guestBooting, "the guest still boots")
        case "late":
            try await session.accept()
            try await session.fail(VZEngineError(.deadline, "it took too long"))
        case "cat":
            try await session.accept()
            while let input = try await session.nextInput() {
                switch input {
                case .bytes(let bytes): try await session.send(output: bytes)
                case .end: return try await session.exit(code: 0)
                case .resize(let size):
                    try await session.send(output: .init(string: "\(size.columns)x\(size.rows)"))
                }
            }
        default:
            try await session.accept()
            try await session.send(output: .init(string: request.command.joined(separator: "|")))
            try await session.send(errorOutput: .init(string: "err"))
            try await session.exit(code: 42)
        }
    }

    func attach(_ request: GuestAttach, _ session: ControlSession) async throws {
        try await session.accept()
        try await session.send(output: .init(string: "console"))
        try await session.exit(code: 0)
    }

    func forward(port: Int, _ session: ControlSession) async throws {
        guard port != 1 else { throw VZEngineError(.guestUnreachable, "nobody listens on port 1") }
        try await session.accept()
        try await session.send(output: .init(string: "port \(port):"))
        while let input = try await session.nextInput() {
            switch input {
            case .bytes(let bytes): try await session.send(output: bytes)
            case .end: return try await session.endOutput()
            case .resize: break
            }
        }
    }
}
