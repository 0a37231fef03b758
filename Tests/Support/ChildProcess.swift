import Foundation
import NIOConcurrencyHelpers

/// A program a test runs, with what it printed. It has a process group of its own, and inherits no pipe of another child.
public final class ChildProcess: Sendable {
    public struct Outcome: Sendable {
        /// The exit code, or 128 + the signal that ended it.
        public let code: Int32
        public let output: String
        public let errors: String
    }

    private struct Captured {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        /// Set under the same lock `send` takes: no signal goes to a number that may be another's by then.
        var isReaped = false
        var outcome: Outcome?
        var waiting: [CheckedContinuation<Outcome, Never>] = []
    }

    public let pid: Int32
    private let captured: NIOLockedValueBox<Captured>
    private let ended = DispatchGroup()
    private let openInput: Int32?

    /// - Parameters:
    ///   - program: its path.
    ///   - environment: added to this process's; an empty value removes a variable.
    ///   - input: what it reads; nothing when nil.
    ///   - keepsInputOpen: without `input`, what it reads ends only with this object.
    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
        input: String? = nil, keepsInputOpen: Bool = false
    ) throws {
        let environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }.filter { !$0.value.isEmpty }
        let (output, errors) = (try Spawn.pipe(), try Spawn.pipe())
        let feed = input != nil || keepsInputOpen ? try Spawn.pipe() : nil
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        do {
            pid = try Spawn.run(
                program, [program] + arguments, environment.map { "\($0)=\($1)" }, directory: directory,
                streams: [feed?.read ?? null, output.write, errors.write])
        } catch {
            for end in [output, errors] + (feed.map { [$0] } ?? []) {
                close(end.read)
                close(end.write)
            }
            close(null)
            throw error
        }
        for descriptor in [output.write, errors.write, feed?.read, null].compactMap({ $0 }) { close(descriptor) }
        let captured = NIOLockedValueBox(Captured())
        self.captured = captured
        if let input, let feed { Self.write(Array(input.utf8), to: feed.write) }
        openInput = input == nil ? feed?.write : nil

        let (pid, reading, ended) = (pid, DispatchGroup(), ended)
        ended.enter()
        Self.read(output.read, reading) { bytes in captured.withLockedValue { $0.output += bytes } }
        Self.read(errors.read, reading) { bytes in captured.withLockedValue { $0.errors += bytes } }
        Thread.detachNewThread {
            let code = Spawn.wait(pid) { captured.withLockedValue { $0.isReaped = true } }
            // Its own children may live on with its streams: what it printed itself is there by now.
            _ = reading.wait(timeout: .now() + 2)
            Self.finish(captured, code)
            ended.leave()
        }
    }

    deinit {
        if let openInput { close(openInput) }
    }

    private static func finish(_ captured: NIOLockedValueBox<Captured>, _ code: Int32) {
        let (waiting, outcome) = captured.withLockedValue { captured in
            let outcome = Outcome(
                code: code, output: String(decoding: captured.output, as: UTF8.self),
                errors: String(decoding: captured.errors, as: UTF8.self))
            captured.outcome = outcome
            defer { captured.waiting = [] }
            return (captured.waiting, outcome)
        }
        for continuation in waiting { continuation.resume(returning: outcome) }
    }

    private static func read(_ descriptor: Int32, _ group: DispatchGroup, _ take: @escaping @Sendable ([UInt8]) -> Void)
    {
        group.enter()
        Thread.detachNewThread {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = Foundation.read(descriptor, &chunk, chunk.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                take(Array(chunk[..<count]))
            }
            close(descriptor)
            group.leave()
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        Thread.detachNewThread {
            // A child that does not read all of it must not end the tests: SIGPIPE stays with this thread.
            var pipe = sigset_t()
            sigemptyset(&pipe)
            sigaddset(&pipe, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &pipe, nil)
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                rest = rest.dropFirst(count)
            }
            close(descriptor)
        }
    }

    /// What it printed so far.
    public var output: String { captured.withLockedValue { String(decoding: $0.output, as: UTF8.self) } }
    public var errors: String { captured.withLockedValue { String(decoding: $0.errors, as: UTF8.self) } }
    public var isRunning: Bool { captured.withLockedValue { !$0.isReaped } }

    public func send(_ signal: Int32) {
        captured.withLockedValue { captured in
            if !captured.isReaped { _ = kill(pid, signal) }
        }
    }

    /// Until it has ended and its output was read.
    public func wait() async -> Outcome {
        await withCheckedContinuation { continuation in
            let outcome = captured.withLockedValue { captured -> Outcome? in
                if captured.outcome == nil { captured.waiting.append(continuation) }
                return captured.outcome
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }

    /// ``wait()`` for the few places that cannot suspend. Blocks.
    public func waitBlocking() -> Outcome {
        ended.wait()
        guard let outcome = captured.withLockedValue({ $0.outcome }) else {
            preconditionFailure("ended without an outcome")
        }
        return outcome
    }

    /// Runs a program to its end; one that takes longer than `limit` is killed.
    public static func run(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
        input: String? = nil, limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        let child = try ChildProcess(program, arguments, environment: environment, directory: directory, input: input)
        let overdue = Task {
            try await Task.sleep(for: limit)
            child.send(SIGKILL)
        }
        defer { overdue.cancel() }
        return await child.wait()
    }
}
