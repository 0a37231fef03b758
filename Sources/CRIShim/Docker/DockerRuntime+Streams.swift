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
                try await connect(connection, to: io) { [client] size in
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
            try await connect(connection, to: io) { [client] size in
                try await client.resizeContainer(id, width: Int(size.width), height: Int(size.height))
            }
            return .exited(code: 0)
        } catch {
            return .failed(message: "attaching to container \(container.record.name) failed: \(error)")
        }
    }

    /// Moves bytes between an engine's stream and a client's until the engine's output ends.
    private func connect(
        _ connection: DockerStream, to io: RemoteCommandIO,
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

    func forward(_ sandbox: SandboxEntry, port: Int, connection: PortConnection) async throws {
        try requireEngine()
        guard let holder = try store.sandbox(sandbox.id).holder else {
            throw ShimError(
                .wrongState, "sandbox \(sandbox.id) has lost its pause container: no port of it can be reached")
        }
        let labels = try await client.inspectContainer(holder).config?.labels ?? [:]
        let (complaint, code) =
            labels[DockerLabels.helper] == PodHelper.source
            ? try await forward(port, byExecIn: holder, connection)
            : try await forward(port, byHelperBeside: holder, of: sandbox, connection)
        guard code == 0 else {
            let why = complaint.isEmpty ? "the forwarder in the pod ended with \(code)" : complaint
            throw ShimError(.failed, "port \(port) of sandbox \(sandbox.id): \(why)")
        }
    }

    /// The pause container has our program: it connects from inside the pod, wherever the engine is.
    private func forward(
        _ port: Int, byExecIn holder: String, _ connection: PortConnection
    ) async throws -> (complaint: String, code: Int32) {
        let exec = try await client.createExec(
            holder,
            ExecCreateRequest(
                cmd: [PodHelper.path, "forward", String(port)], attachStdin: true, attachStdout: true,
                attachStderr: true,
                tty: false))
        let stream = try await client.startExec(exec, tty: false)
        do {
            let complaint = try await relay(stream, connection)
            await stream.close()
            return (complaint, try await exitCode(of: exec))
        } catch {
            await stream.close()
            throw error
        }
    }

    /// The pause container is of another image, or of an older program: a container with ours joins its network.
    private func forward(
        _ port: Int, byHelperBeside holder: String, of sandbox: SandboxEntry, _ connection: PortConnection
    ) async throws -> (complaint: String, code: Int32) {
        var request = ContainerCreateRequest(image: try await pause.builtIn())
        request.entrypoint = [PodHelper.path, "forward", String(port)]
        request.openStdin = true
        request.stdinOnce = true
        request.labels = helperLabels(for: sandbox.id)
        var host = HostConfig()
        host.networkMode = "container:\(holder)"
        host.logConfig = .init(type: "none", config: [:])
        request.hostConfig = host
        return try await withHelper("forward", request) { [self] id in
            let stream = try await client.attachContainer(id, stdin: true, stdout: true, stderr: true, tty: false)
            do {
                try await client.startContainer(id)
                let complaint = try await relay(stream, connection)
                await stream.close()
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(10))
                return (complaint, Int32(truncatingIfNeeded: try await client.inspectContainer(id).state.exitCode))
            } catch {
                await stream.close()
                throw error
            }
        }
    }

    /// - Returns: what the forwarder said on stderr.
    private func relay(_ stream: DockerStream, _ connection: PortConnection) async throws -> String {
        try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask {
                for try await bytes in connection.inbound { try await stream.write(bytes) }
                try await stream.closeInput()
                return nil
            }
            group.addTask {
                var complaint = ""
                for try await frame in stream.frames {
                    if frame.stream == .stderr {
                        complaint += String(decoding: frame.bytes.readableBytesView.prefix(4096), as: UTF8.self)
                    } else {
                        try await connection.write(frame.bytes)
                    }
                }
                if complaint.isEmpty { try await connection.closeOutput() }
                return complaint
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let complaint = ended { return complaint.split(separator: "\n").joined(separator: "; ") }
            }
            return ""
        }
    }
}
