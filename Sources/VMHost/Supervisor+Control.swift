import Logging
import NIOCore
import Synchronization
import VZEngine
import Waiting

/// What the supervisor does for the clients of its control socket.
extension Supervisor: ControlService {
    func status() -> MachineStatus { board.status }

    func statuses() -> AsyncStream<MachineStatus> { board.statuses() }

    func stop(graceSeconds: Int64) async throws {
        note(.stopAsked(grace: .seconds(graceSeconds)))
        if graceSeconds > 0 { await wake() }
        try await board.waitForExit()
    }

    func reopenLog() async throws {
        do {
            try await log.reopen()
        } catch {
            throw VZEngineError(.failed, "the log \(config.logPath) was not reopened", cause: error)
        }
    }

    // MARK: exec

    func exec(_ request: GuestExec, _ session: ControlSession) async throws {
        guard !request.command.isEmpty else { throw VZEngineError(.invalidArgument, "an exec without a command") }
        try requireLife()
        let start = ContinuousClock.now
        let limit: Duration? = request.timeoutSeconds > 0 ? .seconds(request.timeoutSeconds) : nil
        try await board.waitForGuest(atMost: limit ?? .seconds(config.readinessTimeout))
        guard let guest else { throw VZEngineError(.guestUnreachable, "the machine has ended") }
        var program = GuestProgramRequest(request.command)
        program.environment = config.main.environment.merging(request.environment) { $1 }
        program.workingDirectory = request.workingDirectory ?? config.main.workingDirectory
        program.hasInput = request.hasStdin
        if request.tty { program.terminal = request.size ?? GuestTerminalSize(columns: 80, rows: 24) }
        guard let limit else {
            try await serve(program, in: guest, session)
            return
        }
        let overdue = VZEngineError(
            .deadline, "\(request.command[0]) ran longer than \(request.timeoutSeconds) s in the guest and was killed")
        let request = program
        try await withDeadline(limit - (ContinuousClock.now - start), or: overdue) {
            try await self.serve(request, in: guest, session)
        }
    }

    /// A machine may be kept whose guest will never answer again.
    private func requireLife() throws {
        guard board.status.held?.reason == Ending.panicked else { return }
        throw VZEngineError(
            .guestUnreachable,
            "the guest's kernel has panicked and runs nothing any more: look at its console and its display instead")
    }

    /// Runs the program and carries its bytes; it is killed when it does not end by itself.
    private func serve(_ request: GuestProgramRequest, in guest: any Guest, _ session: ControlSession) async throws {
        let program = try await guest.run(request)
        do {
            try await session.accept()
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await Self.carry(program, to: session)
                    return true
                }
                group.addTask {
                    try await Self.feed(program, from: session, hasInput: request.hasInput)
                    return false
                }
                defer { group.cancelAll() }
                // Input may end first; the program's end is what counts.
                while let isEnd = try await group.next(), !isEnd {}
            }
        } catch {
            await program.killNow()
            throw error
        }
    }

    private static func carry(_ program: any GuestProgram, to session: ControlSession) async throws {
        while let event = try await program.next() {
            switch event {
            case .output(let bytes): try await session.send(output: bytes)
            case .errorOutput(let bytes): try await session.send(errorOutput: bytes)
            case .exited(let code):
                try await session.exit(code: code)
                return
            }
        }
        throw VZEngineError(.guestUnreachable, "the connection to the guest was lost before the command ended")
    }

    private static func feed(_ program: any GuestProgram, from session: ControlSession, hasInput: Bool) async throws {
        var isOpen = hasInput
        while let input = try await session.nextInput() {
            do {
                switch input {
                case .bytes(let bytes): if isOpen { try await program.write(bytes) }
                case .end: if isOpen { try await program.closeInput() }
                case .resize(let size): try await program.resize(size)
                }
            } catch let error as VZEngineError where error.code == .guestUnreachable {
                throw error
            } catch {
                // It reads no more; it may still write.
                isOpen = false
            }
        }
        throw CancellationError()
    }

    // MARK: attach

    func attach(_ request: GuestAttach, _ session: ControlSession) async throws {
        let follower = config.main.command.isEmpty ? console.follow() : main.output.follow()
        defer { follower.leave() }
        try await session.accept()
        if let size = request.size, config.main.tty {
            do { try await main.resize(size) } catch {
                logger.debug("the command's terminal keeps its size", metadata: ["error": "\(error)"])
            }
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                while let event = await follower.next() {
                    switch event {
                    case .output(let bytes): try await session.send(output: bytes)
                    case .errorOutput(let bytes): try await session.send(errorOutput: bytes)
                    case .exited(let code): try await session.exit(code: code)
                    case .failed(let error): throw error
                    }
                }
                return true
            }
            group.addTask {
                try await self.feedMain(from: session, hasInput: request.hasStdin)
                return false
            }
            defer { group.cancelAll() }
            while let isEnd = try await group.next(), !isEnd {}
        }
    }

    private func feedMain(from session: ControlSession, hasInput: Bool) async throws {
        while let input = try await session.nextInput() {
            do {
                switch input {
                case .bytes(let bytes): if hasInput { try await main.write(bytes) }
                case .end: if hasInput, config.main.stdinOnce { try await main.closeInput() }
                case .resize(let size): if config.main.tty { try await main.resize(size) }
                }
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // A command that does not read its input is no reason to hide its output.
                logger.debug("input of the command was dropped", metadata: ["error": "\(error)"])
            }
        }
        throw CancellationError()
    }

    // MARK: forward

    func forward(port: Int, _ session: ControlSession) async throws {
        guard (1...65535).contains(port) else { throw VZEngineError(.invalidArgument, "\(port) is no port") }
        try requireLife()
        try await board.waitForGuest(atMost: .seconds(10))
        guard let guest else { throw VZEngineError(.guestUnreachable, "the machine has ended") }
        let stream = try await connect(guest, port)
        do {
            try await session.accept()
        } catch {
            await stream.close()
            throw error
        }
        try await Relay.run(stream, with: session)
    }

    /// The guest's localhost; a server may listen at its own address only.
    private func connect(_ guest: any Guest, _ port: Int) async throws -> any GuestStream {
        do {
            return try await guest.connect(host: "127.0.0.1", port: port)
        } catch let error as VZEngineError where error.code == .failed {
            let own = config.network.mode == .user ? "10.0.2.15" : board.status.address?.host
            guard let own else { throw error }
            do {
                return try await guest.connect(host: own, port: port)
            } catch {
                throw VZEngineError(.failed, "nothing listens on port \(port) in the guest", cause: error)
            }
        }
    }
}
