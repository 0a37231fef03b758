public import NIOCore

/// Which streams a command's caller wants.
public struct RemoteCommandOptions: Sendable, Hashable {
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool
    /// A terminal: output and errors are one stream, and its size can change.
    public var tty: Bool

    public init(stdin: Bool, stdout: Bool, stderr: Bool, tty: Bool) {
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.tty = tty
    }
}

/// Of a terminal, in characters.
public struct TerminalSize: Sendable, Hashable {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

/// Where a command's output goes. Writing suspends while the reader is behind.
public struct OutputSink: Sendable {
    private let body: @Sendable (ByteBuffer) async throws -> Void

    public init(write: @escaping @Sendable (ByteBuffer) async throws -> Void) { body = write }

    /// - Throws: when the reader has gone.
    public func write(_ bytes: ByteBuffer) async throws { try await body(bytes) }
}

/// The caller's side of a command, as the backend that runs it sees it.
public struct RemoteCommandIO: Sendable {
    /// nil when the caller sends none.
    public let stdin: ByteStream?
    public let stdout: OutputSink?
    public let stderr: OutputSink?
    /// Sizes of the caller's terminal as they change.
    public let resizes: AsyncStream<TerminalSize>

    public init(stdin: ByteStream?, stdout: OutputSink?, stderr: OutputSink?, resizes: AsyncStream<TerminalSize>) {
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.resizes = resizes
    }
}

/// How a command ended.
public enum RemoteCommandResult: Sendable, Hashable {
    case exited(code: Int32)
    /// It did not run, or nobody knows how it ended.
    case failed(message: String)
}

/// Runs a command connected to its caller. Its task is cancelled when the caller goes away.
public typealias RemoteCommandBackend = @Sendable (RemoteCommandIO) async -> RemoteCommandResult

/// One connection that is forwarded to a port.
public struct PortConnection: Sendable {
    /// What the caller sends, until it half-closes.
    public let inbound: ByteStream
    private let writeBody: @Sendable (ByteBuffer) async throws -> Void
    private let closeOutputBody: @Sendable () async throws -> Void
    private let closeBody: @Sendable () -> Void

    public init(
        inbound: ByteStream, write: @escaping @Sendable (ByteBuffer) async throws -> Void,
        closeOutput: @escaping @Sendable () async throws -> Void, close: @escaping @Sendable () -> Void = {}
    ) {
        self.inbound = inbound
        writeBody = write
        closeOutputBody = closeOutput
        closeBody = close
    }

    /// Suspends while the other side is behind.
    /// - Throws: when the other side has gone.
    public func write(_ bytes: ByteBuffer) async throws { try await writeBody(bytes) }

    /// Says that no more bytes will come; the other side may go on sending.
    public func closeOutput() async throws { try await closeOutputBody() }

    /// Breaks off what has not ended yet, in both directions. Who opened a connection calls this when done with it.
    public func close() { closeBody() }
}

/// Serves one forwarded connection to `port`. What it throws is told to the caller.
public typealias PortForwardBackend = @Sendable (_ port: Int, _ connection: PortConnection) async throws -> Void
