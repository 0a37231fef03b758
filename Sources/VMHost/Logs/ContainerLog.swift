import HostFiles
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The container's CRI log: what its main command, or its console, says. One writer.
final class ContainerLog: Sendable {
    private let file: LogFile?
    private let logger: Logger
    private let cutters = NIOLockedValueBox((LineCutter(.stdout), LineCutter(.stderr)))

    /// A full disk is waited for, and the guest with it; but not for ever.
    private static let patience = Duration.seconds(30)

    /// - Parameter path: empty for no log.
    init(path: String, cursorPath: String, logger: Logger) {
        file = path.isEmpty ? nil : LogFile(path: path, cursorPath: cursorPath)
        self.logger = logger
    }

    func open() async throws { try await file?.openFresh() }

    func reopen() async throws { try await file?.reopen() }

    /// Returns when the bytes are in the file, but for an unfinished line.
    func append(_ stream: LogLine.Stream, _ bytes: ByteBuffer) async {
        let time = Moment.Clock.wall()
        await write(
            cutters.withLockedValue { cutters in
                stream == .stdout ? cutters.0.take(bytes, at: time) : cutters.1.take(bytes, at: time)
            })
    }

    /// Writes what is left and closes.
    func close() async {
        let time = Moment.Clock.wall()
        await write(cutters.withLockedValue { $0.0.finish(at: time) + $0.1.finish(at: time) })
        do {
            try await file?.close()
        } catch {
            logger.error("closing the container's log failed", metadata: ["error": "\(error)"])
        }
    }

    private func write(_ lines: [LogLine]) async {
        guard let file, !lines.isEmpty else { return }
        let end = ContinuousClock.now + Self.patience
        while true {
            do {
                try await file.append(lines)
                return
            } catch {
                guard ContinuousClock.now < end, !Task.isCancelled else {
                    logger.error(
                        "lines of the container's log are lost",
                        metadata: ["count": "\(lines.count)", "error": "\(error)"])
                    return
                }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
}
