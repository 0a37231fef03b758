import Logging
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// QEMU's monitor: commands with deadlines, and what it tells by itself.
final class QMPClient: Sendable {
    /// Ends when the connection does.
    let events: AsyncStream<QMPEvent>

    private struct State {
        var channel: (any Channel)?
        var waiting: [Int: CheckedContinuation<[UInt8], any Error>] = [:]
        var greeting: CheckedContinuation<Void, any Error>?
        var isGreeted = false
        var isClosed = false
        var nextID = 1
    }

    private let state = Mutex(State())
    private let splitter = Mutex(LineSplitter())
    /// The connection once more, for messages that carry a descriptor.
    private let carrier = Mutex(Descriptor(-1))
    private let reportEvent: AsyncStream<QMPEvent>.Continuation
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
        (events, reportEvent) = AsyncStream.makeStream()
    }

    /// Takes over the connection and agrees on the protocol.
    ///
    /// - Throws: `VZEngineError` with `deadline`, or `failed` when QEMU ends meanwhile.
    func open(_ pair: SocketPair, group: any EventLoopGroup, deadline: Duration) async throws {
        let copy = Descriptor(fcntl(pair.own.number, F_DUPFD_CLOEXEC, 0))
        carrier.withLock { $0 = copy }
        let channel = try await pair.channel(
            group,
            ByteSink { [self] in
                received($0)
            } ended: { [self] in
                closed()
            })
        state.withLock { $0.channel = channel }
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(deadline)) { self.close() }
        defer { timer.cancel() }
        let started = ContinuousClock.now
        do {
            try await greeted()
            try await execute("qmp_capabilities", deadline: deadline)
        } catch  where ContinuousClock.now - started >= deadline {
            throw VZEngineError(.deadline, "QEMU's monitor did not answer within \(deadline)", cause: error)
        }
    }

    private func greeted() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let known: Result<Void, any Error>? = state.withLock { state in
                if state.isGreeted { return .success(()) }
                if state.isClosed { return .failure(Self.gone("the greeting")) }
                state.greeting = continuation
                return nil
            }
            if let known { continuation.resume(with: known) }
        }
    }

    /// Runs a command whose answer says nothing.
    /// - Throws: `VZEngineError` with `deadline` or `failed`.
    ///
    /// - Parameter arguments: a JSON object.
    func execute(_ command: String, _ arguments: String? = nil, deadline: Duration = .seconds(10)) async throws {
        _ = try await answer(to: command, arguments, deadline: deadline)
    }

    /// Runs a command that answers a question.
    func ask<Result: Decodable & Sendable>(
        _ command: String, _ arguments: String? = nil, for type: Result.Type, deadline: Duration = .seconds(10)
    ) async throws -> Result {
        try QMPMessage.result(type, of: try await answer(to: command, arguments, deadline: deadline))
    }

    func status(deadline: Duration = .seconds(10)) async throws -> String {
        try await ask("query-status", for: QMPStatus.self, deadline: deadline).status
    }

    /// Gives QEMU a copy of an open file, which further commands call `name`.
    func give(_ file: Descriptor, as name: String, deadline: Duration = .seconds(10)) async throws {
        let arguments = #"{"fdname":\#(QEMUArguments.quoted(name))}"#
        _ = try await answer(to: "getfd", arguments, with: file, deadline: deadline)
    }

    private func answer(
        to command: String, _ arguments: String? = nil, with file: Descriptor? = nil, deadline: Duration
    ) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { continuation in
            let sent: (channel: any Channel, id: Int)? = state.withLock { state in
                guard let channel = state.channel, !state.isClosed else { return nil }
                let id = state.nextID
                state.nextID += 1
                state.waiting[id] = continuation
                return (channel, id)
            }
            guard let (channel, id) = sent else {
                continuation.resume(throwing: Self.gone(command))
                return
            }
            channel.eventLoop.scheduleTask(in: TimeAmount(deadline)) { [weak self] in
                self?.finish(
                    id, .failure(VZEngineError(.deadline, "QEMU did not answer \(command) within \(deadline)")))
            }
            let rest = arguments.map { #","arguments":\#($0)"# } ?? ""
            let line = #"{"execute":"\#(command)"\#(rest),"id":\#(id)}"# + "\n"
            if let file {
                channel.eventLoop.execute { self.send(line, with: file, on: channel, as: id) }
            } else {
                // What cannot be written ends the connection, which ends the command.
                channel.writeAndFlush(ByteBuffer(string: line), promise: nil)
            }
        }
    }

    /// Past the channel, which knows nothing of descriptors: on its event loop, and only while it has nothing to write
    /// itself.
    private func send(_ line: String, with file: Descriptor, on channel: any Channel, as id: Int) {
        do {
            guard try channel.syncOptions?.getOption(.bufferedWritableBytes) == 0 else {
                throw VZEngineError(.failed, "QEMU does not read what it is told")
            }
            try DescriptorMessage.send(Array(line.utf8), with: file, over: carrier.withLock { $0 })
        } catch {
            finish(id, .failure(error))
        }
    }

    private static func gone(_ what: String) -> VZEngineError {
        VZEngineError(.failed, "QEMU has ended: no answer to \(what)")
    }

    func close() {
        carrier.withLock { $0 }.close()
        state.withLock { $0.channel }?.close(promise: nil)
    }

    // MARK: What arrives

    private func finish(_ id: Int, _ result: Result<[UInt8], any Error>) {
        state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(with: result)
    }

    private func received(_ bytes: ByteBuffer) {
        do {
            for line in try splitter.withLock({ try $0.add(bytes) }) { received(line: line) }
        } catch {
            logger.error("QEMU's monitor speaks no protocol we know", metadata: ["error": "\(error)"])
            close()
        }
    }

    private func received(line: [UInt8]) {
        do {
            switch try QMPMessage(line: line) {
            case .greeting:
                state.withLock { state in
                    state.isGreeted = true
                    defer { state.greeting = nil }
                    return state.greeting
                }?.resume()
            case .answer(let id, let line): finish(id, .success(line))
            case .refused(let id, let description):
                finish(id, .failure(VZEngineError(.failed, "QEMU refused: \(description)")))
            case .event(let event):
                logger.debug("QEMU", metadata: ["event": "\(event.name.rawValue)", "reason": "\(event.reason ?? "")"])
                reportEvent.yield(event)
            case .other: break
            }
        } catch {
            logger.warning(
                "QEMU's monitor said what cannot be read",
                metadata: ["line": "\(String(decoding: line.prefix(500), as: UTF8.self))", "error": "\(error)"])
        }
    }

    private func closed() {
        carrier.withLock { $0 }.close()
        let (waiting, greeting) = state.withLock { state in
            state.isClosed = true
            defer {
                state.waiting = [:]
                state.greeting = nil
            }
            return (state.waiting.values, state.greeting)
        }
        greeting?.resume(throwing: Self.gone("the greeting"))
        for continuation in waiting { continuation.resume(throwing: Self.gone("a command")) }
        reportEvent.finish()
    }
}
