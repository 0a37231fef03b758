import Foundation
import NIOConcurrencyHelpers

/// A program a test runs, with what it printed.
public final class ChildProcess: Sendable {
    public struct Outcome: Sendable {
        /// The exit code, or 128 + the signal that ended it.
        public let code: Int32
        public let output: String
        public let errors: String
    }

    private struct Captured {
        var output = Data()
        var errors = Data()
        var open = 2
        var code: Int32?
        var waiting: [CheckedContinuation<Outcome, Never>] = []
    }

    public let pid: Int32
    private let captured: NIOLockedValueBox<Captured>

    /// - Parameter environment: added to this process's; an empty value removes a variable.
    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
        input: String? = nil
    ) throws {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }.filter { !$0.value.isEmpty }
        if let directory { process.currentDirectoryURL = URL(filePath: directory) }
        let (output, errors, stdin) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = input == nil ? FileHandle.nullDevice : stdin
        let captured = NIOLockedValueBox(Captured())
        self.captured = captured
        for (pipe, isOutput) in [(output, true), (errors, false)] {
            pipe.fileHandleForReading.readabilityHandler = { handle in
                let data = handle.availableData
                if data.isEmpty { handle.readabilityHandler = nil }
                Self.note(captured) { captured in
                    if data.isEmpty { captured.open -= 1 }
                    if isOutput { captured.output += data } else { captured.errors += data }
                }
            }
        }
        process.terminationHandler = { process in
            let code = process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus
            Self.note(captured) { $0.code = code }
        }
        try process.run()
        pid = process.processIdentifier
        if let input {
            stdin.fileHandleForWriting.write(Data(input.utf8))
            try stdin.fileHandleForWriting.close()
        }
    }

    private static func note(_ captured: NIOLockedValueBox<Captured>, _ change: @Sendable (inout Captured) -> Void) {
        let (waiting, outcome) = captured.withLockedValue { captured -> ([CheckedContinuation<Outcome, Never>], Outcome?) in
            change(&captured)
            guard let outcome = Self.outcome(of: captured) else { return ([], nil) }
            defer { captured.waiting = [] }
            return (captured.waiting, outcome)
        }
        if let outcome { for continuation in waiting { continuation.resume(returning: outcome) } }
    }

    private static func outcome(of captured: Captured) -> Outcome? {
        guard captured.open == 0, let code = captured.code else { return nil }
        return Outcome(
            code: code, output: String(decoding: captured.output, as: UTF8.self), errors: String(decoding: captured.errors, as: UTF8.self))
    }

    /// What it printed so far.
    public var output: String { captured.withLockedValue { String(decoding: $0.output, as: UTF8.self) } }
    public var errors: String { captured.withLockedValue { String(decoding: $0.errors, as: UTF8.self) } }
    public var isRunning: Bool { captured.withLockedValue { $0.code == nil } }

    public func send(_ signal: Int32) { if isRunning { kill(pid, signal) } }

    /// Until it has ended and its output was read.
    public func wait() async -> Outcome {
        await withCheckedContinuation { continuation in
            let outcome = captured.withLockedValue { captured -> Outcome? in
                if let outcome = Self.outcome(of: captured) { return outcome }
                captured.waiting.append(continuation)
                return nil
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
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
