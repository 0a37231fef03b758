import Docker
import NIOCore
import NIOPosix
import Processes
import Streaming

extension DockerRuntime {
    func forward(_ sandbox: SandboxEntry, port: Int, connection: PortConnection) async throws {
        try requireEngine()
        guard let holder = try store.sandbox(sandbox.id).holder else {
            throw ShimError(
                .wrongState, "sandbox \(sandbox.id) has lost its pause container: no port of it can be reached")
        }
        let inspected = try await client.inspectContainer(holder)
        if joinsHostNamespaces, try await forward(port, of: sandbox.id, in: inspected, connection) { return }
        let labels = inspected.config?.labels ?? [:]
        let (complaint, code) =
            labels[DockerLabels.helper] == PodHelper.source
            ? try await forward(port, byExecIn: holder, connection)
            : try await forward(port, byHelperBeside: holder, of: sandbox, connection)
        guard code == 0 else {
            let why = complaint.isEmpty ? "the forwarder in the pod ended with \(code)" : complaint
            throw ShimError(.failed, "port \(port) of sandbox \(sandbox.id): \(why)")
        }
    }

    /// The engine shares this host's namespaces: a socket made in the pod's connects at once, without a program there.
    /// - Returns: false when the pause container's process cannot be identified as its own from here.
    private func forward(
        _ port: Int, of sandbox: String, in holder: ContainerInspect, _ connection: PortConnection
    ) async throws -> Bool {
        let (process, id) = (holder.state.pid, holder.id)
        func isItself() async throws -> Bool {
            try await RootDirectory.offload { try LocalProcesses.isProcess(process, of: id) }
        }
        guard try await isItself() else { return false }
        let pod: LoopbackConnection.Streams
        do {
            pod = try await LoopbackConnection.make(
                port: port, in: "/proc/\(process)/ns/net", group: MultiThreadedEventLoopGroup.singleton)
        } catch let error as ProcessError {
            // Another process may have had the number by then: in its namespace nothing was to be found.
            guard try await isItself() else { return false }
            throw ShimError(.failed, "port \(port) of sandbox \(sandbox): \(error)")
        }
        guard try await isItself() else {
            try await pod.channel.close()
            return false
        }
        try await pod.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for try await bytes in connection.inbound { try await outbound.write(bytes) }
                    outbound.finish()
                }
                group.addTask {
                    for try await bytes in inbound { try await connection.write(bytes) }
                    try await connection.closeOutput()
                }
                defer { group.cancelAll() }
                while try await group.next() != nil {}
            }
        }
        return true
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
