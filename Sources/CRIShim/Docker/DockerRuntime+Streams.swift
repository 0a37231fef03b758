import Docker
import Logging
import NIOCore
import Streaming
import Synchronization

extension DockerRuntime {
    func exec(
        _ container: ContainerEntry, command: [String], options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult {
        do {
            try requireEngine()
            let exec = try await client.createExec(
                container.id,
                ExecCreateRequest(
                    cmd: command, attachStdin: options.stdin, attachStdout: options.stdout,
                    attachStderr: options.stderr && !options.tty, tty: options.tty))
            do {
                let connection = try await client.startExec(exec, tty: options.tty)
                try await connect(connection, to: io, closesInput: true) { [client] size in
                    try await client.resizeExec(exec, width: Int(size.width), height: Int(size.height))
                }
                try Task.checkCancellation()
                return .exited(code: try await exitCode(of: exec))
            } catch {
                await kill(exec, of: container)
                throw error
            }
        } catch {
            return .failed(message: "executing \(command.first ?? "") failed: \(error)")
        }
    }

    func attach(
        _ container: ContainerEntry, options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult {
        do {
            try requireEngine()
            let connection = try await client.attachContainer(
                container.id, stdin: options.stdin && container.record.stdin, stdout: options.stdout,
                stderr: options.stderr, tty: container.record.tty)
            let id = container.id
            // The engine lets everybody wait for the next start of a container that has ended just before.
            guard try await mayStillSpeak(id) else {
                await connection.close()
                // kubectl shows the log then.
                return .failed(message: "container \(container.record.name) has just ended: its output is in its log")
            }
            // Where the container's input outlives a client the engine takes the end of it for the client's going.
            let closesInput = container.record.stdinOnce && !container.record.tty
            try await connect(connection, to: io, closesInput: closesInput) { [client] size in
                try await client.resizeContainer(id, width: Int(size.width), height: Int(size.height))
            }
            return .exited(code: 0)
        } catch {
            return .failed(message: "attaching to container \(container.record.name) failed: \(error)")
        }
    }

    /// Whether a container runs or has yet to be started.
    private func mayStillSpeak(_ id: String) async throws -> Bool {
        let state = try await client.inspectContainer(id).state
        return state.running || state.status == "created"
    }

    /// Moves bytes between an engine's stream and a client's until the engine's output ends.
    /// - Parameter closesInput: the end of the client's input is that of the process's.
    private func connect(
        _ connection: DockerStream, to io: RemoteCommandIO, closesInput: Bool,
        resize: @escaping @Sendable (TerminalSize) async throws -> Void
    ) async throws {
        let logger = self.logger
        do {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                if let stdin = io.stdin {
                    group.addTask {
                        for try await bytes in stdin {
                            // A command may end while its input still comes: its output and its code say how.
                            do { try await connection.write(bytes) } catch {
                                logger.debug("input is not wanted any more", metadata: ["error": "\(error)"])
                                return false
                            }
                        }
                        guard closesInput else { return false }
                        do { try await connection.closeInput() } catch {
                            logger.debug("input has ended already", metadata: ["error": "\(error)"])
                        }
                        return false
                    }
                }
                group.addTask {
                    for await size in io.resizes {
                        // A terminal whose process is just ending has no size any more.
                        do { try await resize(size) } catch {
                            logger.debug("resize failed", metadata: ["error": "\(error)"])
                        }
                    }
                    return false
                }
                group.addTask {
                    for try await frame in connection.frames {
                        switch frame.stream {
                        case .stderr: try await io.stderr?.write(frame.bytes)
                        default: try await io.stdout?.write(frame.bytes)
                        }
                    }
                    return true
                }
                defer { group.cancelAll() }
                while let outputEnded = try await group.next() {
                    if outputEnded { return }
                }
            }
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
    }
}
