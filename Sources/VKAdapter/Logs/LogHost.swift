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

    /// The end of a log, without times: at most so many bytes and lines.
    func tail(_ log: String, bytes: Int, lines: Int) async throws -> String

    /// Reads a log.
    /// - Parameters:
    ///   - isRunning: whether more may be written; asked when a log that is followed is at its end.
    ///   - write: takes the text; reading waits for it.
    /// - Throws: ``AdapterError`` `notFound` when there is no such file.
    func read(
        _ log: String, _ options: LogOptions, isRunning: @escaping @Sendable () async -> Bool,
        write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws
}

/// Logs on this host.
struct LocalLogHost: LogHost {
    private let pool: NIOThreadPool

    init(pool: NIOThreadPool = .singleton) { self.pool = pool }

    func prepare(_ directory: String) async throws(AdapterError) {
        try await run { () throws(AdapterError) in try SystemCall.makeDirectories(directory, mode: 0o755) }
    }

    func remove(podDirectory: String) async throws(AdapterError) {
        try await run { () throws(AdapterError) in try TreeRemoval.remove(podDirectory) }
    }

    func remove(log: String) async throws(AdapterError) {
        try await run { () throws(AdapterError) in
            guard unlink(log) == 0 || errno == ENOENT else { throw SystemCall.failure("remove log", log) }
        }
    }

    func tail(_ log: String, bytes: Int, lines: Int) async throws -> String {
        let text = NIOLockedText()
        var options = LogOptions()
        options.tailLines = lines
        do {
            try await read(log, options, isRunning: { false }, write: { text.append($0) })
        } catch let error as AdapterError where error.code == .notFound {
            return ""
        }
        return text.suffix(bytes)
    }

    func read(
        _ log: String, _ options: LogOptions, isRunning: @escaping @Sendable () async -> Bool,
        write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws {
        try await LogReader(path: log, options: options, pool: pool, isRunning: isRunning, write: write).run()
    }

    private func run(_ work: @escaping @Sendable () throws(AdapterError) -> Void) async throws(AdapterError) {
        do {
            try await pool.runIfActive { try work() }
        } catch let error as AdapterError {
            throw error
        } catch {
            throw AdapterError(.unavailable, "the file threads are stopped: the adapter is shutting down", cause: error)
        }
    }
}
