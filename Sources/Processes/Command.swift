#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a program that was run to its end said.
public struct CommandResult: Sendable {
    public var end: ProcessEnd
    public var output: [UInt8]
    public var errorOutput: [UInt8]

    public var text: String { String(decoding: output, as: UTF8.self) }
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

/// Short-lived programs of the system: `ip`, `qemu-img` and the like.
public enum Command {
    /// Runs a program to its end, whatever that is.
    ///
    /// - Parameters:
    ///   - input: what it reads from its standard input; a pipe's worth (64 KiB) at most.
    ///   - deadline: after which it is killed. Also killed when the task is cancelled, and with this process.
    ///   - limit: bytes kept of each of its outputs; the rest is dropped.
    /// - Throws: `ProcessError` with `notFound`, `notStarted` or `deadline`; `CancellationError`.
    public static func run(
        _ executable: String, _ arguments: [String], input: [UInt8] = [], networkNamespace: String? = nil,
        environment: [String: String]? = nil, deadline: Duration = .seconds(30), limit: Int = 1 << 20
    ) async throws -> CommandResult {
        var request = ProcessRequest(executable, arguments)
        request.diesWithParent = true
        request.hasOwnSession = true
        request.networkNamespace = networkNamespace
        request.environment = environment
        let standardInput = try Pipe()
        try standardInput.fill(input)
        let output = try await PipeDrain.open(limit: limit)
        let errors: PipeDrain
        let child: ChildProcess
        do {
            errors = try await PipeDrain.open(limit: limit)
        } catch {
            await output.close()
            throw error
        }
        do {
            request.descriptors = [standardInput.reading, output.writing, errors.writing]
            child = try await ChildProcess.start(request)
            standardInput.closeBoth()
            let end = try await end(of: child, within: deadline) { "\(executable) \(arguments.joined(separator: " "))" }
            let result = await CommandResult(
                end: end, output: output.rest(within: patience), errorOutput: errors.rest(within: patience))
            try Task.checkCancellation()
            return result
        } catch {
            await output.close()
            await errors.close()
            throw error
        }
    }

    /// How long a program that has ended may leave its outputs open to others, which it started and which stay.
    private static let patience = Duration.seconds(2)

    private static func end(
        of child: ChildProcess, within deadline: Duration, _ words: @escaping @Sendable () -> String
    ) async throws -> ProcessEnd {
        try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: ProcessEnd?.self) { group in
                group.addTask { await child.waitForEnd() }
                group.addTask {
                    try await Task.sleep(for: deadline)
                    return nil
                }
                let first = try await group.next() ?? nil
                group.cancelAll()
                if let first { return first }
                child.signal(SIGKILL, group: true)
                throw ProcessError(.deadline, "\(words()) took longer than \(deadline)")
            }
        } onCancel: {
            child.signal(SIGKILL, group: true)
        }
    }

    /// Runs a program that is expected to succeed.
    /// - Throws: also `ProcessError` with `failed`, which carries what it said.
    @discardableResult
    public static func checked(
        _ executable: String, _ arguments: [String], input: [UInt8] = [], networkNamespace: String? = nil,
        environment: [String: String]? = nil, deadline: Duration = .seconds(30)
    ) async throws -> CommandResult {
        let result = try await run(
            executable, arguments, input: input, networkNamespace: networkNamespace, environment: environment,
            deadline: deadline)
        guard result.end.isSuccess else {
            let words = (result.errorOutput.isEmpty ? result.text : result.errorText)
                .split(separator: "\n").joined(separator: " ")
            throw ProcessError(.failed, "\(executable) \(arguments.joined(separator: " ")): \(words) (\(result.end))")
        }
        return result
    }
}
