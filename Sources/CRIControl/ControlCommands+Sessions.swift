public import NIOCore
import Proto
public import Streaming

/// What a person's side of a session delivers.
public struct SessionInput: Sendable {
    /// nil: the command's standard input is closed from the start.
    public var stdin: (any AsyncSequence<ByteBuffer, any Error> & Sendable)?
    /// The command has a terminal: its output and errors arrive as one.
    public var tty: Bool
    /// The sizes of the terminal, the present one first.
    public var resizes: AsyncStream<TerminalSize>

    public init(
        stdin: (any AsyncSequence<ByteBuffer, any Error> & Sendable)?, tty: Bool, resizes: AsyncStream<TerminalSize>
    ) {
        self.stdin = stdin
        self.tty = tty
        self.resizes = resizes
    }
}

extension ControlCommands {
    /// Runs a command in a container, connected to `input` and the output.
    /// - Parameter query: the container.
    /// - Returns: the command's exit code.
    /// - Throws: `ControlError` when there is no exit code.
    public func exec(_ query: String, _ command: [String], _ input: SessionInput) async throws -> Int32 {
        guard !command.isEmpty else { throw ControlError(.invalidArgument, "exec: no command to run was given") }
        let id = try await client.containerID(query)
        let answer = try await client.call(
            CRI.RuntimeService.exec,
            .init {
                $0.containerId = id
                $0.cmd = command
                $0.tty = input.tty
                $0.stdin = input.stdin != nil
                $0.stdout = true
                $0.stderr = !input.tty
            })
        return try await session(answer.url, input, what: "exec in \(query)")
    }

    /// Connects to the container's main process until it ends or the connection does.
    /// - Parameter query: the container.
    public func attach(_ query: String, _ input: SessionInput) async throws {
        let id = try await client.containerID(query)
        let answer = try await client.call(
            CRI.RuntimeService.attach,
            .init {
                $0.containerId = id
                $0.tty = input.tty
                $0.stdin = input.stdin != nil
                $0.stdout = true
                $0.stderr = !input.tty
            })
        _ = try await session(answer.url, input, what: "attach to \(query)")
    }

    /// Runs a command by ExecSync: nothing in, the whole output when it is over.
    /// - Parameters:
    ///   - query: the container.
    ///   - limit: after this time the runtime ends the command.
    /// - Returns: the command's exit code.
    public func execSync(_ query: String, _ command: [String], limit: Duration) async throws -> Int32 {
        guard !command.isEmpty else { throw ControlError(.invalidArgument, "exec: no command to run was given") }
        let id = try await client.containerID(query)
        let answer = try await client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = command
                $0.timeout = limit.components.seconds
            }, timeout: limit + .seconds(10))
        try await output.standard(ByteBuffer(bytes: answer.stdout))
        try await output.error(ByteBuffer(bytes: answer.stderr))
        return answer.exitCode
    }

    private func session(_ url: String, _ input: SessionInput, what: String) async throws -> Int32 {
        let options = RemoteCommandOptions(stdin: input.stdin != nil, stdout: true, stderr: !input.tty, tty: input.tty)
        let result: RemoteCommandResult
        do {
            result = try await RemoteCommandClient.run(
                url: url, tls: client.tls, options: options, stdin: input.stdin,
                stdout: OutputSink(write: output.standard),
                stderr: input.tty ? nil : OutputSink(write: output.error), resizes: input.resizes, group: client.group,
                logger: client.logger)
        } catch let error as StreamingError {
            throw ControlError(.failed, "\(what): \(error)")
        }
        switch result {
        case .exited(let code): return code
        case .failed(let message): throw ControlError(.failed, "\(what): \(message)")
        }
    }
}
