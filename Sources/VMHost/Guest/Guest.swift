import NIOCore
import VZEngine
import Waiting

/// The channel to a guest. SSH over TCP is the one there is.
///
/// Errors are `VZEngineError`: `guestUnreachable` for what may pass, `invalidArgument` for keys that will never be right,
/// `failed` for what the guest refused; and ``GuestRefusal``.
protocol Guest: Sendable {
    /// Starts a program; returns when it runs.
    /// - Throws: also `notBegun`, when the guest was lost before it was given the program.
    func run(_ program: GuestProgramRequest) async throws -> any GuestProgram
    /// Connects from inside the guest.
    func connect(host: String, port: Int) async throws -> any GuestStream
    /// Serves connections to a port of the guest's localhost until `close`, also after the connection to it was lost and
    /// made again.
    func listen(port: Int, _ handler: @escaping @Sendable (any GuestStream) async -> Void) async throws
    /// Ends all connections; new ones are made when they are needed.
    func disconnect() async
    /// Ends all connections for good.
    func close() async
}

/// The guest does not let us in: not as this user, with this key or password.
struct GuestRefusal: Error, CustomStringConvertible {
    var description: String
}

struct GuestProgramRequest: Sendable, Hashable {
    var arguments: [String]
    var environment: [String: String] = [:]
    var workingDirectory = ""
    /// nil is no terminal.
    var terminal: GuestTerminalSize?
    var hasInput = false
    /// Nothing that is done for others may end it.
    var isAlone = false

    init(_ arguments: [String]) { self.arguments = arguments }
}

/// What a program in a guest says.
enum GuestProgramEvent: Sendable {
    case output(ByteBuffer)
    case errorOutput(ByteBuffer)
    /// The last.
    case exited(code: Int32)
}

/// A program that runs in a guest.
protocol GuestProgram: Sendable {
    /// The next event; nil after the last. One reader.
    /// - Throws: `VZEngineError` with `guestUnreachable` when the connection is lost.
    func next() async throws -> GuestProgramEvent?
    func write(_ bytes: ByteBuffer) async throws
    func closeInput() async throws
    func resize(_ size: GuestTerminalSize) async throws
    /// Sends a signal, `TERM` say, to all of it.
    func signal(_ name: String) async throws
    /// Ends it and everything it started.
    func kill() async
}

/// A connection through a guest.
protocol GuestStream: Sendable {
    /// nil at the end of what the peer sends. One reader.
    func next() async throws -> ByteBuffer?
    func write(_ bytes: ByteBuffer) async throws
    func closeOutput() async throws
    func close() async
}

extension Guest {
    /// Runs a program of the supervisor's own to its end.
    /// - Returns: its exit code and the beginning of what it said.
    func complete(
        _ arguments: [String], deadline: Duration, limit: Int = 64 << 10
    ) async throws -> (code: Int32, output: ByteBuffer, errors: String) {
        let overdue = VZEngineError(.deadline, "the guest took longer than \(deadline) for \(arguments[0])")
        return try await withDeadline(deadline, or: overdue) {
            let program = try await run(GuestProgramRequest(arguments))
            var (output, errors) = (ByteBuffer(), ByteBuffer())
            do {
                while let event = try await program.next() {
                    switch event {
                    case .output(let bytes):
                        output.writeImmutableBuffer(
                            bytes.getSlice(
                                at: bytes.readerIndex, length: min(bytes.readableBytes, limit - output.readableBytes))!)
                    case .errorOutput(let bytes):
                        errors.writeImmutableBuffer(
                            bytes.getSlice(
                                at: bytes.readerIndex, length: min(bytes.readableBytes, limit - errors.readableBytes))!)
                    case .exited(let code): return (code, output, String(buffer: errors))
                    }
                }
            } catch {
                await program.killNow()
                throw error
            }
            throw VZEngineError(.guestUnreachable, "\(arguments[0]) ended in the guest without a word")
        }
    }
}

extension GuestProgram {
    /// ``kill()`` also in a task that was cancelled.
    func killNow() async { await Task { await kill() }.value }
}
