import Foundation
import NIOCore
import NIOPosix
import Processes
import Support
import Synchronization
import VZEngine

@testable import VMHost

/// A guest whose programs are this host's: reachable from when the test says so until its machine has ended. What would set
/// up a guest is noted instead.
final class LocalGuest: Guest {
    private struct State {
        var boot: Int?
        var boots = 0
        var programs: [LocalProgram] = []
        var setups: [String] = []
        var listeners: [Int: @Sendable (any GuestStream) async -> Void] = [:]
        var setupFailure: String?
        /// So many set-ups are cut off by the guest's loss.
        var lostSetups = 0
        /// So many programs are refused before they begin.
        var refusals = 0

        mutating func takeRefusal() -> Bool {
            guard refusals > 0 else { return false }
            refusals -= 1
            return true
        }
    }
    private let state = Mutex(State())
    private let engine: FakeEngine

    init(_ engine: FakeEngine, isBooted: Bool = true) {
        self.engine = engine
        if isBooted { boot() }
    }

    var setups: [String] { state.withLock { $0.setups } }
    var listening: [Int: @Sendable (any GuestStream) async -> Void] { state.withLock { $0.listeners } }

    /// It answers now, as another boot than before.
    func boot() {
        state.withLock { state in
            state.boots += 1
            state.boot = state.boots
        }
    }

    func failSetup(_ words: String) { state.withLock { $0.setupFailure = words } }

    func loseSetups(_ count: Int) { state.withLock { $0.lostSetups = count } }

    func refusePrograms(_ count: Int) { state.withLock { $0.refusals = count } }

    /// The connection to everything that runs is gone, and it answers no more.
    func vanish() {
        state.withLock { $0.boot = nil }
        loseAll()
    }

    private func loseAll() {
        let programs = state.withLock { state in
            defer { state.programs = [] }
            return state.programs
        }
        for program in programs { program.lose() }
    }

    private func check() throws -> Int {
        if engine.machine?.hasEnded ?? true { vanish() }
        guard let boot = state.withLock({ $0.boot }) else {
            throw VZEngineError(.guestUnreachable, "the fake guest does not answer")
        }
        return boot
    }

    func run(_ request: GuestProgramRequest) async throws -> any GuestProgram {
        let boot = try check()
        var arguments = request.arguments
        if arguments.count > 5, arguments[3] == "vzcri-boot" {
            arguments = ["/bin/sh", "-c", watch(boot, isPrepared: arguments[4] == "boot-\(boot)", setup: arguments[5])]
        } else if state.withLock({ $0.takeRefusal() }) {
            throw VZEngineError(.notBegun, "the fake guest is full")
        }
        let program: LocalProgram
        do {
            program = try await LocalProgram.start(arguments, request)
        } catch {
            throw VZEngineError(.failed, "the fake guest did not start \(arguments[0])", cause: error)
        }
        state.withLock { $0.programs.append(program) }
        return program
    }

    private static let loss = "the connection is gone"

    /// What stands for the program that sets the guest up and watches it.
    private func watch(_ boot: Int, isPrepared: Bool, setup: String) -> String {
        let failure: String? = state.withLock { state in
            if isPrepared { return nil }
            state.setups.append(setup)
            guard state.lostSetups > 0 else { return state.setupFailure }
            state.lostSetups -= 1
            return Self.loss
        }
        if failure == Self.loss { return "echo boot-\(boot); kill -KILL $$" }
        let rest = failure.map { "echo '\($0)' >&2; exit 1" } ?? "echo prepared; exec cat >/dev/null"
        return "echo boot-\(boot); " + rest
    }

    func connect(host: String, port: Int) async throws -> any GuestStream {
        _ = try check()
        do {
            return try await LocalStream.connect(port: port)
        } catch {
            throw VZEngineError(.failed, "refused", cause: error)
        }
    }

    func listen(port: Int, _ handler: @escaping @Sendable (any GuestStream) async -> Void) async throws {
        _ = try check()
        state.withLock { $0.listeners[port] = handler }
    }

    func disconnect() async { loseAll() }

    func close() async { vanish() }
}

/// A process of this host as a program of a guest.
final class LocalProgram: GuestProgram {
    private let child: Processes.ChildProcess
    private let input: Mutex<FileHandle?>
    private let events: AsyncThrowingStream<GuestProgramEvent, any Error>
    private let continuation: AsyncThrowingStream<GuestProgramEvent, any Error>.Continuation

    static func start(_ arguments: [String], _ request: GuestProgramRequest) async throws -> LocalProgram {
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        var process = ProcessRequest(arguments[0], Array(arguments.dropFirst()))
        process.hasOwnSession = true
        process.diesWithParent = true
        process.environment = ProcessInfo.processInfo.environment.merging(request.environment) { $1 }
        process.directory = request.workingDirectory.isEmpty ? nil : request.workingDirectory
        process.descriptors = [
            request.hasInput ? input.fileHandleForReading.fileDescriptor : -1,
            output.fileHandleForWriting.fileDescriptor, errors.fileHandleForWriting.fileDescriptor,
        ]
        let child = try await Processes.ChildProcess.start(process)
        try input.fileHandleForReading.close()
        try output.fileHandleForWriting.close()
        try errors.fileHandleForWriting.close()
        let program = LocalProgram(child, input.fileHandleForWriting)
        program.follow(output.fileHandleForReading, errors.fileHandleForReading)
        return program
    }

    private init(_ child: Processes.ChildProcess, _ input: FileHandle) {
        self.child = child
        self.input = Mutex(input)
        (events, continuation) = AsyncThrowingStream.makeStream()
    }

    private func follow(_ output: FileHandle, _ errors: FileHandle) {
        let reading = DispatchGroup()
        for (handle, isError) in [(output, false), (errors, true)] {
            reading.enter()
            let continuation = continuation
            Thread.detachNewThread {
                var chunk = [UInt8](repeating: 0, count: 32 << 10)
                while true {
                    let count = read(handle.fileDescriptor, &chunk, chunk.count)
                    if count < 0, errno == EINTR { continue }
                    if count <= 0 { break }
                    let bytes = ByteBuffer(bytes: chunk[..<count])
                    continuation.yield(isError ? .errorOutput(bytes) : .output(bytes))
                }
                reading.leave()
            }
        }
        Task { [self] in
            let end = await child.waitForEnd()
            reading.notify(queue: .global()) { [continuation] in
                let code: Int32 =
                    switch end {
                    case .exited(let code): code
                    case .signalled(let number): 128 + number
                    }
                continuation.yield(.exited(code: code))
                continuation.finish()
            }
        }
    }

    func lose() {
        continuation.finish(throwing: VZEngineError(.guestUnreachable, "the connection is gone"))
        killGroup(SIGKILL)
    }

    func next() async throws -> GuestProgramEvent? {
        var iterator = events.makeAsyncIterator()
        let event = try await iterator.next()
        try Task.checkCancellation()
        return event
    }

    func write(_ bytes: ByteBuffer) async throws {
        try input.withLock { try $0?.write(contentsOf: Data(bytes.readableBytesView)) }
    }

    func closeInput() async throws {
        try input.withLock { handle in
            try handle?.close()
            handle = nil
        }
    }

    func resize(_ size: GuestTerminalSize) async throws {}

    func signal(_ name: String) async throws { killGroup(name == "TERM" ? SIGTERM : SIGKILL) }

    func kill() async { killGroup(SIGKILL) }

    private func killGroup(_ signal: Int32) {
        if child.end == nil { _ = Foundation.kill(-child.id, signal) }
    }
}
