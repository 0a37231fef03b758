import HostFiles
import NIOCore
import Proto
import RPC
import Synchronization
import Waiting

extension HostService {
    /// Logs of containers, whose directory the shim is configured with.
    func registerLogs(in router: inout Router) {
        stream(HostAPI.HostService.readContainerLog, in: &router) { request, writer in
            let logs = logs
            guard let path = try await RootDirectory.offload({ try logs.existing(request.logPath) }) else {
                throw ShimError(.notFound, "there is no log \(request.logPath)")
            }
            var options = LogReadOptions()
            options.follow = request.follow
            options.timestamps = request.timestamps
            options.since = request.since == 0 ? nil : request.since
            options.tail = request.tailLines < 0 ? nil : Int(request.tailLines)
            options.limitBytes = request.limitBytes <= 0 ? nil : Int(request.limitBytes)
            switch request.stream {
            case .logStreamAll: break
            case .logStreamStdout: options.stream = .stdout
            case .logStreamStderr: options.stream = .stderr
            default:
                throw ShimError(.invalidArgument, "a container has no stream of the number \(request.stream.rawValue)")
            }
            let isFinished: @Sendable () async -> Bool = {
                closing.isOpen || !store.isWritten(log: request.logPath, by: request.containerId)
            }
            try await LogReader(path: path, options: options).run(isFinished: isFinished) { text in
                try await writer.write(.init { $0.data = Array(text.readableBytesView) })
            }
        }
        work(HostAPI.HostService.rotateContainerLog, in: &router) { request in
            let rotated = try await rotate(request)
            return .init { $0.rotated = rotated }
        }
        files(HostAPI.HostService.removeLogs, in: &router) { request in
            try logs.remove(request.path)
            return .init()
        }
    }

    /// Gives the log of a container that runs another name beside it, and has it go on in a new file.
    /// - Returns: whether it was large enough for that.
    private func rotate(_ request: HostAPI.RotateContainerLogRequest) async throws -> Bool {
        let container = try store.container(request.containerId)
        let log = container.record.logPath
        guard request.logPath.isEmpty || request.logPath == log, !log.isEmpty else {
            throw ShimError(
                .invalidArgument, "container \(container.id) writes no log \(request.logPath), but \"\(log)\"")
        }
        let (logs, keep) = (logs, Int(request.keep))
        let limit = request.largerThanBytes
        let isRotated = try await RootDirectory.offload {
            guard let old = try RotatedLogs(of: log, in: logs, largerThan: limit) else { return false }
            try old.makeRoom(keeping: keep)
            return true
        }
        if isRotated { try await containers.reopenLog(container.id) }
        return isRotated
    }
}

extension StateStore {
    /// Whether a container that runs writes this log.
    /// - Parameter container: the only one that is asked, when it is not empty.
    fileprivate func isWritten(log: String, by container: String) -> Bool {
        state.withLock { state in
            if !container.isEmpty { return state.containers[container]?.entry.phase == .running }
            return state.containers.values.contains { $0.entry.phase == .running && $0.entry.record.logPath == log }
        }
    }
}
