import HostFiles
import KubeAPI
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Where the log files of containers are: on this host, or on the runtime's behind its host service.
protocol LogHost: Sendable {
    /// Makes a directory the runtime writes logs into.
    func prepare(_ directory: String) async throws(AdapterError)

    /// Removes the logs of a pod.
    func remove(podDirectory: String) async throws(AdapterError)

    /// Removes the log of one run of a container.
    func remove(log: String) async throws(AdapterError)

    /// Gives a log that has grown another name, and removes the oldest of those that have one.
    /// - Parameters:
    ///   - container: who writes it.
    ///   - bytes: a log that is not larger stays as it is.
    ///   - keep: how many older ones stay.
    func rotate(_ log: String, container: String, largerThan bytes: UInt64, keep: Int) async throws(AdapterError)
        -> LogRotation

    /// Whether there is such a file.
    func exists(_ log: String) async throws(AdapterError) -> Bool

    /// The end of a log, without times: at most so many bytes and lines.
    func tail(_ log: String, bytes: Int, lines: Int) async throws -> String

    /// Reads a log.
    /// - Parameters:
    ///   - isRunning: whether more may be written; asked when a log that is followed is at its end.
    ///   - write: takes the text; reading waits for it.
    func read(
        _ log: String, _ options: LogOptions, isRunning: @escaping @Sendable () async -> Bool,
        write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws
}

/// What became of a log that may have grown.
enum LogRotation: Sendable, Hashable {
    case unchanged
    case rotated
    /// It has another name, and its writer must be told to begin a new one.
    case toBeReopened
}

/// Logs on this host.
struct LocalLogHost: LogHost {
    private let work: FileWork

    init(pool: NIOThreadPool = .singleton) { work = FileWork(pool: pool) }

    func prepare(_ directory: String) async throws(AdapterError) {
        try await work.run { _ = try SystemCall.makeDirectories(directory, mode: 0o755) }
    }

    func remove(podDirectory: String) async throws(AdapterError) {
        try await work.run { try SystemCall.removeTree(podDirectory) }
    }

    func remove(log: String) async throws(AdapterError) {
        try await work.run {
            guard unlink(log) == 0 || errno == ENOENT else { throw SystemCall.failure("remove log", log) }
        }
    }

    func rotate(_ log: String, container: String, largerThan bytes: UInt64, keep: Int) async throws(AdapterError)
        -> LogRotation
    {
        guard let slash = log.lastIndex(of: "/") else { return .unchanged }
        return try await work.run {
            let logs = LogDirectory(path: String(log[..<slash]))
            guard let old = try RotatedLogs(of: log, in: logs, largerThan: bytes) else { return .unchanged }
            try old.makeRoom(keeping: keep)
            return .toBeReopened
        }
    }

    func exists(_ log: String) async throws(AdapterError) -> Bool {
        try await work.run { try SystemCall.status(log) != nil }
    }

    func tail(_ log: String, bytes: Int, lines: Int) async throws -> String {
        let text = NIOLockedText()
        var options = LogOptions()
        options.tailLines = lines
        guard try await exists(log) else { return "" }
        try await read(log, options, isRunning: { false }, write: { text.append($0) })
        return text.suffix(bytes)
    }

    func read(
        _ log: String, _ options: LogOptions, isRunning: @escaping @Sendable () async -> Bool,
        write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws {
        var wanted = LogReadOptions()
        wanted.follow = options.follow
        wanted.tail = options.tailLines
        wanted.since = options.since?.nanosecondsSince1970
        wanted.limitBytes = options.limitBytes
        wanted.timestamps = options.timestamps
        wanted.stream = options.stream
        try await LogReader(path: log, options: wanted).run(isFinished: { await !isRunning() }, write: write)
    }
}
