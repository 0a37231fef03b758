import NIOCore
import Synchronization
import VZEngine

/// A supervisor without a machine: `exec` echoes its input, or does what the command's name says.
final class FakeService: ControlService {
    private struct State {
        var status = MachineStatus(phase: .running, startedAt: 1)
        var watchers: [AsyncStream<MachineStatus>.Continuation] = []
        var graces: [Int64] = []
        var cancelled: [String] = []
        var operations: [String] = []
        var isWedged = false
    }
    private let state = Mutex(State())

    var graces: [Int64] { state.withLock { $0.graces } }
    var cancelled: [String] { state.withLock { $0.cancelled } }
    /// What was done with the machine, in order.
    var operations: [String] { state.withLock { $0.operations } }

    /// From now on its machine does not answer.
    func wedge() { state.withLock { $0.isWedged = true } }

    func become(_ status: MachineStatus) {
        state.withLock { state in
            state.status = status
            for watcher in state.watchers {
                watcher.yield(status)
                if status.phase == .exited { watcher.finish() }
            }
        }
    }

    func status() -> MachineStatus { state.withLock { $0.status } }

    func statuses() -> AsyncStream<MachineStatus> {
        let (stream, continuation) = AsyncStream.makeStream(of: MachineStatus.self)
        state.withLock { state in
            continuation.yield(state.status)
            state.watchers.append(continuation)
        }
        return stream
    }

    func stop(graceSeconds: Int64) async throws {
        state.withLock { $0.graces.append(graceSeconds) }
        become(MachineStatus(phase: .exited))
    }

    func reopenLog() async throws { throw VZEngineError(.exhausted, "no space for a log") }

    func statistics() async throws -> MachineStatistics {
        if state.withLock({ $0.isWedged }) { try await Task.sleep(for: .seconds(600)) }
        var statistics = MachineStatistics()
        statistics.memoryBytes = 5
        statistics.diskWrittenBytes = 7
        return statistics
    }

    func setMemory(bytes: Int64) async throws { note("setMemory \(bytes)") }
    func pause() async throws { note("pause") }
    func resume() async throws { note("resume") }
    func save(to path: String) async throws { note("save \(path)") }
    func screenshot(to path: String) async throws { throw VZEngineError(.unsupported, "no display") }

    private func note(_ operation: String) { state.withLock { $0.operations.append(operation) } }

    func exec(_ request: GuestExec, _ session: ControlSession) async throws {
        switch request.command.first {
        case "refuse": throw VZEngineError(.guestBooting, "it boots")
        case "fail":
            try await session.accept()
            try await session.send(output: ByteBuffer(string: "so far"))
            throw VZEngineError(.deadline, "too long")
        case "hang":
            try await session.accept()
            do {
                try await Task.sleep(for: .seconds(600))
            } catch {
                state.withLock { $0.cancelled.append("hang") }
                throw error
            }
        case "flood":
            try await session.accept()
            let block = ByteBuffer(repeating: 7, count: 1 << 20)
            for _ in 0..<(Int(request.command[1]) ?? 0) { try await session.send(output: block) }
            try await session.exit(code: 0)
        case "overrun":
            try await session.accept()
            let block = ByteBuffer(repeating: 7, count: 1 << 20)
            let flood = Task { while true { try await session.send(output: block) } }
            try await Task.sleep(for: .milliseconds(200))
            flood.cancel()
            _ = await flood.result
            state.withLock { $0.cancelled.append("overrun") }
            throw VZEngineError(.deadline, "too long")
        default:
            try await session.accept()
            try await echo(session)
        }
    }

    private func echo(_ session: ControlSession) async throws {
        while let input = try await session.nextInput() {
            switch input {
            case .bytes(let bytes): try await session.send(output: bytes)
            case .resize(let size):
                try await session.send(errorOutput: ByteBuffer(string: "\(size.columns)x\(size.rows)"))
            case .end:
                try await session.exit(code: 42)
                return
            }
        }
    }

    func attach(_ request: GuestAttach, _ session: ControlSession) async throws {
        try await session.accept()
        try await session.exit(code: request.hasStdin ? 1 : 0)
    }

    func forward(port: Int, _ session: ControlSession) async throws {
        try await session.accept()
        try await session.send(output: ByteBuffer(string: "port \(port)"))
        try await session.endOutput()
        // Half-closed: what still comes is taken.
        while let input = try await session.nextInput() {
            if case .end = input { return }
        }
    }
}
