import Docker
import Logging
import NIOCore
import Synchronization

extension DockerRuntime {
    /// Output of an ExecSync beyond this is read and dropped, as containerd does: the answer has to fit into a message of
    /// 16 MiB, the limit of every CRI client. Ours counts both streams together.
    static let execSyncOutputLimit = 16 * 1024 * 1024 - 64 * 1024

    func execSync(_ container: ContainerEntry, command: [String], timeout: Int64) async throws -> ExecSyncOutcome {
        try requireEngine()
        let exec = try await client.createExec(
            container.id,
            ExecCreateRequest(cmd: command, attachStdin: false, attachStdout: true, attachStderr: true, tty: false))
        do {
            return try await withThrowingTaskGroup(of: ExecSyncOutcome?.self) { group in
                group.addTask { [self] in try await collect(exec) }
                if timeout > 0 {
                    group.addTask {
                        try await Task.sleep(for: .seconds(timeout))
                        return nil
                    }
                }
                defer { group.cancelAll() }
                if let outcome = try await group.next() ?? nil { return outcome }
                throw ShimError(
                    .deadline,
                    "\(command[0]) in container \(container.record.name) did not end within \(timeout) s and was killed"
                )
            }
        } catch {
            // The time has passed or the caller is gone: what was started must not go on.
            await kill(exec, of: container)
            throw error
        }
    }

    private func collect(_ exec: String) async throws -> ExecSyncOutcome {
        var outcome = ExecSyncOutcome(stdout: [], stderr: [], exitCode: 0)
        let connection = try await client.startExec(exec, tty: false)
        do {
            for try await frame in connection.frames {
                let room = Self.execSyncOutputLimit - outcome.stdout.count - outcome.stderr.count
                let bytes = frame.bytes.readableBytesView.prefix(room)
                switch frame.stream {
                case .stderr: outcome.stderr += bytes
                default: outcome.stdout += bytes
                }
            }
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
        try Task.checkCancellation()
        outcome.exitCode = try await exitCode(of: exec)
        return outcome
    }

    /// The exit code of a command whose output has ended.
    func exitCode(of exec: String) async throws -> Int32 {
        // The engine notes the code a moment after it closed the stream.
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let inspected = try await client.inspectExec(exec)
            if !inspected.running, let code = inspected.exitCode { return Int32(truncatingIfNeeded: code) }
            guard ContinuousClock.now < deadline else {
                throw ShimError(.failed, "the engine does not say how the command ended although its output has")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Kills a command and what it started. Runs to its end whatever becomes of the caller.
    func kill(_ exec: String, of container: ContainerEntry) async {
        do {
            try await shielded { [self] in
                guard let process = try await process(of: exec) else { return }
                let local = isLocal
                let done = try await RootDirectory.offload {
                    try local && LocalProcesses.killTree(process, of: container.id)
                }
                if !done { try await killRemotely(process, of: container) }
            }
        } catch {
            logger.error(
                "a command that should end could not be killed",
                metadata: ["container": "\(container.id)", "exec": "\(exec)", "error": "\(error)"])
        }
    }

    /// The process of a command that runs; nil when it has ended. The engine says that one runs a moment before it knows
    /// its process.
    private func process(of exec: String) async throws -> Int? {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            let inspected = try await client.inspectExec(exec)
            guard inspected.running else { return nil }
            if let process = inspected.pid, process > 0 { return process }
            guard ContinuousClock.now < deadline else {
                throw ShimError(.failed, "the engine does not say which process the command is")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Where the engine's processes cannot be seen from here, a helper container in its PID namespace does it.
    private func killRemotely(_ process: Int, of container: ContainerEntry) async throws {
        var request = ContainerCreateRequest(image: try await pause.builtIn())
        request.entrypoint = [PodHelper.path, "kill", String(process), container.id]
        request.labels = helperLabels(for: container.sandboxID)
        var host = HostConfig()
        host.pidMode = "host"
        host.networkMode = "none"
        host.logConfig = .init(type: "none", config: [:])
        host.securityOpt = (info.engine?.appArmor ?? false) ? ["apparmor=unconfined"] : []
        request.hostConfig = host
        try await withHelper("kill", request) { [self] id in
            try await client.startContainer(id)
            try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
            let code = try await client.inspectContainer(id).state.exitCode
            guard code == 0 else {
                throw ShimError(.failed, "the helper that kills process \(process) ended with \(code)")
            }
        }
    }
}
