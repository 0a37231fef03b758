import Docker
import HostFiles
import Logging
import NIOCore
import Synchronization
import Waiting

/// Brings one container's output from the engine into its CRI log file: every line once, in order, also across the death of
/// this process, of the engine, or of the connection. Where it is comes from the writer's cursor, kept beside the records.
final class LogPump: Sendable {
    private let container: String
    private let tty: Bool
    private let client: DockerClient
    private let logger: Logger
    private let writer: LogFile
    private let done = Latch()
    private let task = Mutex<(run: Task<Void, Never>?, cancelled: Bool)>((nil, false))

    init(container: String, path: String, tty: Bool, directory: String, client: DockerClient, logger: Logger) {
        self.container = container
        self.tty = tty
        self.client = client
        self.logger = logger
        writer = LogFile(path: path, cursorPath: directory + "/log.cursor")
    }

    /// Whether the log is whole, waiting for it no longer than `limit`.
    func finished(within limit: Duration) async -> Bool { await done.wait(atMost: limit) }

    func reopen() async throws { try await writer.reopen() }

    /// Stops following; for a container that is gone.
    func cancel() {
        let running = task.withLock { task in
            task.cancelled = true
            return task.run
        }
        running?.cancel()
        done.open()
    }

    /// Follows until the container has ended and everything is written.
    func run() async {
        let work = Task { await follow() }
        let cancelled = task.withLock { task in
            task.run = work
            return task.cancelled
        }
        if cancelled { work.cancel() }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
    }

    private func follow() async {
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            do {
                try await copy(follow: true)
                guard try await client.inspectContainer(container).state.running else {
                    // What the engine had not handed out when the stream broke off.
                    try await copy(follow: false)
                    break
                }
                pause = .milliseconds(100)
            } catch let error as DockerError where error.code == .notFound {
                break
            } catch {
                if Task.isCancelled { break }
                logger.debug("log interrupted", metadata: ["container": "\(container)", "error": "\(error)"])
            }
            do { try await Task.sleep(for: pause) } catch { break }
            pause = min(pause * 2, .seconds(5))
        }
        do {
            try await writer.close()
        } catch {
            logger.error("closing a log failed", metadata: ["container": "\(container)", "error": "\(error)"])
        }
        if !Task.isCancelled { done.open() }
    }

    private func copy(follow: Bool) async throws {
        let position = try await writer.open()
        let lines = try await client.logs(
            container, follow: follow, since: position?.timestamp, tty: tty)
        let batcher = LogBatcher()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { batcher.end() }
                for try await batch in lines { await batcher.add(batch.map(LogLine.init)) }
            }
            group.addTask { [writer] in
                defer { batcher.end() }
                while let batch = await batcher.next() { try await writer.append(batch) }
            }
            // The first failure ends both.
            while try await group.next() != nil {}
        }
    }
}

extension LogLine {
    /// An entry of the engine's as the CRI has it.
    init(_ entry: LogEntry) {
        self.init(
            timestamp: entry.timestamp, stream: entry.stream == .stderr ? .stderr : .stdout, isPartial: entry.isPartial,
            content: entry.bytes)
    }
}
