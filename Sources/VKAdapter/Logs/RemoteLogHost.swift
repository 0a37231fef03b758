import HostFiles
import KubeAPI
import NIOCore
import Proto
import RPC

/// Logs on the runtime's host.
struct RemoteLogHost: LogHost {
    let host: RemoteHost

    /// The runtime makes what it writes to.
    func prepare(_ directory: String) async throws(AdapterError) {}

    func remove(podDirectory: String) async throws(AdapterError) {
        _ = try await host.call(
            HostAPI.HostService.removeLogs, .init { $0.path = podDirectory }, "remove the logs in \(podDirectory)",
            host.timeouts.long)
    }

    func remove(log: String) async throws(AdapterError) { try await remove(podDirectory: log) }

    func rotate(_ log: String, container: String, largerThan bytes: UInt64, keep: Int) async throws(AdapterError)
        -> LogRotation
    {
        let request = HostAPI.RotateContainerLogRequest {
            $0.containerId = container
            $0.logPath = log
            $0.keep = UInt32(clamping: keep)
            $0.largerThanBytes = bytes
        }
        let answer = try await host.call(
            HostAPI.HostService.rotateContainerLog, request, "rotate the log \(log) on the runtime's host")
        return answer.rotated ? .rotated : .unchanged
    }

    func exists(_ log: String) async throws(AdapterError) -> Bool {
        do throws(AdapterError) {
            try await stream(log, options: LogOptions(lastLines: 0), timeout: host.timeouts.short) { _ in }
            return true
        } catch {
            if error.code == .notFound { return false }
            throw error
        }
    }

    func tail(_ log: String, bytes: Int, lines: Int) async throws -> String {
        let text = NIOLockedText()
        do {
            try await stream(log, options: LogOptions(lastLines: lines), timeout: host.timeouts.short) {
                text.append($0)
            }
        } catch {
            if error.code == .notFound { return "" }
            throw error
        }
        return text.suffix(bytes)
    }

    /// The runtime knows itself when a log has its end: `isRunning` is not asked.
    func read(
        _ log: String, _ options: LogOptions, isRunning: @escaping @Sendable () async -> Bool,
        write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws {
        // No deadline: a log that is followed has none, and a large one takes as long as its reader.
        try await stream(log, options: options, timeout: nil, write)
    }

    private func stream(
        _ log: String, options: LogOptions, timeout: Duration?,
        _ write: @escaping @Sendable (ByteBuffer) async throws -> Void
    ) async throws(AdapterError) {
        let request = HostAPI.ReadContainerLogRequest {
            $0.logPath = log
            $0.follow = options.follow
            $0.timestamps = options.timestamps
            $0.since = options.since?.nanosecondsSince1970 ?? 0
            $0.tailLines = Int64(options.tailLines ?? -1)
            $0.limitBytes = Int64(options.limitBytes ?? 0)
            switch options.stream {
            case .stdout: $0.stream = .logStreamStdout
            case .stderr: $0.stream = .logStreamStderr
            case nil: break
            }
        }
        do {
            let chunks = try host.client.stream(HostAPI.HostService.readContainerLog, request, timeout: timeout)
            for try await chunk in chunks { try await write(ByteBuffer(bytes: chunk.data)) }
        } catch {
            throw RemoteHost.error(error, "read the log \(log) on the runtime's host")
        }
    }
}

extension LogOptions {
    fileprivate init(lastLines: Int) {
        self.init()
        tailLines = lastLines
    }
}
