import Logging
import NIOCore
import Streaming
import VZEngine
import Waiting

extension VMRuntime {
    /// Output of an ExecSync beyond this is read and dropped, as with containers.
    static var execSyncOutputLimit: Int { DockerRuntime.execSyncOutputLimit }
    /// What the supervisor may be late with its own deadline.
    private static let execSlack = Duration.seconds(10)

    func execSync(_ container: ContainerEntry, command: [String], timeout: Int64) async throws -> ExecSyncOutcome {
        let machine = try machine(container.id)
        let what = "executing \(command[0]) in container \(container.record.name)"
        var request = GuestExec(command: command)
        request.timeoutSeconds = timeout
        do {
            return try await withThrowingTaskGroup(of: ExecSyncOutcome?.self) { group in
                group.addTask { [self, request] in
                    try await collect(try await client(for: machine).exec(request), what)
                }
                if timeout > 0 {
                    group.addTask {
                        try await Task.sleep(for: .seconds(timeout) + Self.execSlack)
                        return nil
                    }
                }
                defer { group.cancelAll() }
                if let outcome = try await group.next() ?? nil { return outcome }
                throw ShimError(.deadline, "\(what) did not end within \(timeout) s, and its supervisor is silent")
            }
        } catch let error as VZEngineError {
            throw Self.shimError(error, what)
        }
    }

    private func collect(_ session: MachineSession, _ what: String) async throws -> ExecSyncOutcome {
        var outcome = ExecSyncOutcome(stdout: [], stderr: [], exitCode: 0)
        var room: Int { Self.execSyncOutputLimit - outcome.stdout.count - outcome.stderr.count }
        do {
            for try await event in session.events {
                switch event {
                case .output(let bytes): outcome.stdout += bytes.readableBytesView.prefix(room)
                case .errorOutput(let bytes): outcome.stderr += bytes.readableBytesView.prefix(room)
                case .exited(let code):
                    outcome.exitCode = code
                    await session.close()
                    return outcome
                case .failed(let error): throw error
                }
            }
        } catch {
            await session.close()
            throw error
        }
        try Task.checkCancellation()
        throw ShimError(.failed, "\(what): nobody says how it ended")
    }

    func exec(
        _ container: ContainerEntry, command: [String], options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult {
        do {
            var request = GuestExec(command: command)
            request.tty = options.tty
            request.hasStdin = options.stdin
            let session = try await client(for: machine(container.id)).exec(request)
            return try await run(session, io, endsWithInput: false)
        } catch {
            return .failed(message: "executing \(command.first ?? "") failed: \(error)")
        }
    }

    func attach(
        _ container: ContainerEntry, options: RemoteCommandOptions, io: RemoteCommandIO
    ) async -> RemoteCommandResult {
        do {
            var request = GuestAttach()
            request.hasStdin = options.stdin && container.record.stdin
            let session = try await client(for: machine(container.id)).attach(request)
            // The end of the main command is not the client's: it just hears no more.
            guard case .failed(let message) = try await run(session, io, endsWithInput: false) else {
                return .exited(code: 0)
            }
            return .failed(message: message)
        } catch {
            return .failed(message: "attaching to container \(container.record.name) failed: \(error)")
        }
    }

    /// Moves bytes between a guest and a client until the guest's side has ended, which closes the session in any case.
    private func run(
        _ session: MachineSession, _ io: RemoteCommandIO, endsWithInput: Bool
    ) async throws -> RemoteCommandResult {
        let logger = self.logger
        do {
            let result = try await withThrowingTaskGroup(of: RemoteCommandResult?.self) { group in
                if let stdin = io.stdin {
                    group.addTask {
                        do {
                            for try await bytes in stdin { try await session.send(bytes) }
                            try await session.closeInput()
                        } catch let error as VZEngineError {
                            // A command that has ended reads no more: its exit code is on its way.
                            logger.debug("a session's input ended", metadata: ["error": "\(error)"])
                        }
                        return nil
                    }
                }
                group.addTask {
                    for await size in io.resizes {
                        // A terminal whose process is just ending has no size any more.
                        do { try await session.resize(columns: size.width, rows: size.height) } catch {
                            logger.debug("resize failed", metadata: ["error": "\(error)"])
                        }
                    }
                    return nil
                }
                group.addTask {
                    for try await event in session.events {
                        switch event {
                        case .output(let bytes): try await io.stdout?.write(bytes)
                        case .errorOutput(let bytes): try await io.stderr?.write(bytes)
                        case .exited(let code): return .exited(code: code)
                        case .failed(let error): return .failed(message: "\(error)")
                        }
                    }
                    return .failed(message: "nobody says how it ended")
                }
                defer { group.cancelAll() }
                while let ended = try await group.next() {
                    if let ended { return ended }
                }
                throw CancellationError()
            }
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    /// Whether a machine of the sandbox serves this port by declaration.
    func declares(_ port: Int, inSandbox id: String) -> Bool {
        machine(for: port, inSandbox: id) != nil
    }

    private func machine(for port: Int, inSandbox id: String) -> ManagedMachine? {
        machines(inSandbox: id).last { machine in
            isRunning(machine) && machine.config.network.guestPorts.contains(.init(.tcp, port))
        }
    }

    func isRunning(_ machine: ManagedMachine) -> Bool {
        machine.running.isOpen && !machine.ended.isOpen
    }

    func forward(_ sandbox: SandboxEntry, port: Int, connection: PortConnection) async throws {
        guard
            let machine = machine(for: port, inSandbox: sandbox.id)
                ?? machines(inSandbox: sandbox.id).first(where: isRunning)
        else {
            throw ShimError(
                .wrongState, "no virtual machine of sandbox \(sandbox.id) runs: port \(port) of it cannot be reached")
        }
        do {
            let session = try await client(for: machine).forward(port: port)
            do {
                try await relay(session, connection)
                await session.close()
            } catch {
                await session.close()
                throw error
            }
        } catch let error as VZEngineError {
            throw Self.shimError(error, "connecting to port \(port) of sandbox \(sandbox.id)")
        }
    }

    private func relay(_ session: MachineSession, _ connection: PortConnection) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for try await bytes in connection.inbound { try await session.send(bytes) }
                try await session.closeInput()
                return false
            }
            group.addTask {
                for try await event in session.events {
                    switch event {
                    case .output(let bytes): try await connection.write(bytes)
                    case .failed(let error): throw error
                    case .errorOutput, .exited: break
                    }
                }
                try await connection.closeOutput()
                return true
            }
            defer { group.cancelAll() }
            // The guest's end is not ours while the caller still sends: both directions end by themselves.
            while try await group.next() != nil {}
        }
    }
}
