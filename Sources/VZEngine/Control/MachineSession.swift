public import NIOCore

/// What comes out of a session.
public enum SessionEvent: Sendable {
    case output(ByteBuffer)
    case errorOutput(ByteBuffer)
    /// The last: the command's exit code, 128+n for signal n.
    case exited(code: Int32)
    /// The last: why there is no exit code.
    case failed(VZEngineError)
}

/// A command in a guest, or a connection into one, on a connection of its own to the supervisor. Closed at the latest with
/// this object; what runs in the guest is killed then.
public final class MachineSession: Sendable {
    private let connection: FrameConnection

    init(_ connection: FrameConnection) { self.connection = connection }

    deinit { connection.close() }

    /// What comes out, in order. A slow reader slows the guest down. One reader.
    public var events: SessionEvents { SessionEvents(session: self) }

    /// Returns when it is on its way; suspends while the guest does not read.
    public func send(_ bytes: ByteBuffer) async throws { try await passing { try await $0.send(.input, bytes) } }

    /// The end of what the guest is sent.
    public func closeInput() async throws { try await passing { try await $0.send(ControlFrame(.inputEnd)) } }

    public func resize(columns: Int, rows: Int) async throws {
        var payload = ByteBuffer()
        payload.writeInteger(UInt16(clamping: columns))
        payload.writeInteger(UInt16(clamping: rows))
        let frame = ControlFrame(.resize, payload)
        try await passing { try await $0.send(frame) }
    }

    /// Ends the session; a command that still runs is killed.
    public func close() async {
        connection.close()
        await connection.waitUntilClosed()
    }

    private func passing(_ send: (FrameConnection) async throws -> Void) async throws {
        do {
            try await send(connection)
        } catch is ChannelError {
            throw VZEngineError(.failed, "the session has ended")
        } catch let error as IOError {
            throw VZEngineError(.failed, "the session has ended", cause: error)
        }
    }

    /// nil when nothing more comes.
    fileprivate func next() async throws -> SessionEvent? {
        do {
            while let frame = try await connection.next() {
                switch frame.kind {
                case .output: return .output(frame.payload)
                case .errorOutput: return .errorOutput(frame.payload)
                case .outputEnd: return nil
                case .exited:
                    guard let code: Int32 = frame.payload.getInteger(at: frame.payload.readerIndex) else {
                        return .failed(VZEngineError(.protocolVersion, "the supervisor sent a damaged exit code"))
                    }
                    return .exited(code: code)
                case .failed: return .failed(try frame.decode(ControlFailure.self).error)
                default: continue
                }
            }
        } catch let error as VZEngineError {
            return .failed(error)
        } catch let error as CancellationError {
            throw error
        } catch {
            return .failed(VZEngineError(.supervisorLost, "the connection to the supervisor broke", cause: error))
        }
        return .failed(VZEngineError(.supervisorLost, "the supervisor ended the session without a word"))
    }
}

/// The events of one session. Ends after `exited` or `failed`; without either when a forwarded connection's guest side has
/// said everything, which may still be sent to.
public struct SessionEvents: AsyncSequence, Sendable {
    public typealias Element = SessionEvent
    fileprivate let session: MachineSession

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let session: MachineSession
        fileprivate var isOver = false

        /// - Throws: `CancellationError` only.
        public mutating func next() async throws -> SessionEvent? {
            guard !isOver else { return nil }
            let event = try await session.next()
            switch event {
            case .exited, .failed, nil: isOver = true
            case .output, .errorOutput: break
            }
            return event
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(session: session) }
}
