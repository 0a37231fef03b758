import NIOPosix

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
        let output = try Pipe()
        let errors = try Pipe()
        let standardInput = try Pipe()
        try standardInput.fill(input)
        request.descriptors = [standardInput.reading, output.writing, errors.writing]
        let child = try await ChildProcess.start(request)
        standardInput.closeBoth()
        output.closeWriting()
        errors.closeWriting()
        async let text = output.drain(limit: limit)
        async let errorText = errors.drain(limit: limit)
        let end = try await withTaskCancellationHandler {
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
                throw ProcessError(
                    .deadline, "\(executable) \(arguments.joined(separator: " ")) took longer than \(deadline)")
            }
        } onCancel: {
            child.signal(SIGKILL, group: true)
        }
        let result = try await CommandResult(end: end, output: text, errorOutput: errorText)
        try Task.checkCancellation()
        return result
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

/// A pipe whose ends are closed at the latest with it.
private final class Pipe: @unchecked Sendable {
    // Each end is used by one task at a time, which closes it; the other tasks have been awaited when deinit runs.
    private(set) var reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw ProcessError(.notStarted, "making a pipe failed: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit { closeBoth() }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    func closeBoth() {
        closeWriting()
        if reading >= 0 { close(reading) }
        reading = -1
    }

    /// Puts everything into the pipe before anybody reads.
    func fill(_ bytes: [UInt8]) throws {
        guard bytes.count <= 65536 else {
            throw ProcessError(.notStarted, "\(bytes.count) bytes are more than a program can be given here")
        }
        guard bytes.isEmpty || write(writing, bytes, bytes.count) == bytes.count else {
            throw ProcessError(.notStarted, "filling a pipe failed: \(String(cString: strerror(errno)))")
        }
        closeWriting()
    }

    /// Reads to the end on a thread that may wait.
    func drain(limit: Int) async throws -> [UInt8] {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            var kept: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 16384)
            while true {
                let count = read(reading, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return kept }
                kept.append(contentsOf: buffer.prefix(min(count, limit - kept.count)))
            }
        }
    }
}
