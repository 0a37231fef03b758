public import Logging
public import NIOCore
public import TLS

/// Connects to the streaming URL of an exec or attach.
public enum RemoteCommandClient {
    /// Runs until the command ends or the connection does.
    /// - Parameter stdin: its end is passed on; the command may end before.
    /// - Throws: `StreamingError` when no connection comes about; errors of `stdin` and the sinks.
    public static func run(
        url: String, tls: TLSContext? = nil, options: RemoteCommandOptions,
        stdin: (any AsyncSequence<ByteBuffer, any Error> & Sendable)? = nil, stdout: OutputSink? = nil,
        stderr: OutputSink? = nil,
        resizes: AsyncStream<TerminalSize>? = nil, group: any EventLoopGroup, logger: Logger
    ) async throws -> RemoteCommandResult {
        let (chosen, session) = try await StreamingURL(url).connect(
            offering: ChannelProtocol.all.map(\.name), tls: tls, group: group)
        let version = ChannelProtocol.all.first { $0.name == chosen }?.version ?? 1
        return try await withThrowingTaskGroup(of: RemoteCommandResult?.self) { tasks in
            tasks.addTask {
                await session.run()
                return nil
            }
            let result: RemoteCommandResult
            do {
                result = try await exchange(
                    session, version, options, stdin: stdin, stdout: stdout, stderr: stderr, resizes: resizes)
            } catch {
                await session.abort()
                tasks.cancelAll()
                throw error
            }
            await session.close(within: .seconds(2))
            tasks.cancelAll()
            return result
        }
    }

    private static func exchange(
        _ session: SPDYSession, _ version: Int, _ options: RemoteCommandOptions,
        stdin: (any AsyncSequence<ByteBuffer, any Error> & Sendable)?, stdout: OutputSink?, stderr: OutputSink?,
        resizes: AsyncStream<TerminalSize>?
    ) async throws -> RemoteCommandResult {
        func open(_ type: String) async throws -> SPDYStream { try await session.open(["streamtype": type]) }
        let error = try await open("error")
        let input = options.stdin ? try await open("stdin") : nil
        let output = options.stdout ? try await open("stdout") : nil
        let errors = options.stderr && !options.tty ? try await open("stderr") : nil
        let resize = options.tty && version >= 3 ? try await open("resize") : nil
        return try await withThrowingTaskGroup(of: RemoteCommandResult?.self) { tasks in
            if let input, let stdin {
                tasks.addTask {
                    for try await bytes in stdin {
                        // A command may end before its input: how it ended is told by the error stream.
                        do { try await input.write(bytes) } catch { return nil }
                    }
                    do { try await input.closeOutput() } catch {}
                    return nil
                }
            } else {
                try await input?.closeOutput()
            }
            if let resize, let resizes {
                tasks.addTask {
                    for await size in resizes {
                        let text = ByteBuffer(string: #"{"Width":\#(size.width),"Height":\#(size.height)}"#)
                        do { try await resize.write(text) } catch { return nil }
                    }
                    return nil
                }
            }
            tasks.addTask {
                // All output first: the command's end must not overtake it.
                try await withThrowingTaskGroup(of: Void.self) { outputs in
                    for (stream, sink) in [(output, stdout), (errors, stderr)] {
                        guard let stream else { continue }
                        outputs.addTask { for try await bytes in stream.inbound { try await sink?.write(bytes) } }
                    }
                    try await outputs.waitForAll()
                }
                var status = ByteBuffer()
                for try await var bytes in error.inbound { status.writeBuffer(&bytes) }
                return CommandStatus.decode(status, version: version)
            }
            defer { tasks.cancelAll() }
            while let ended = try await tasks.next() {
                if let result = ended { return result }
            }
            return .failed(message: "the connection ended before the command's exit code came")
        }
    }
}
