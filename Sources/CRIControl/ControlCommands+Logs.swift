import HostFiles
import NIOCore
import Proto

extension ControlCommands {
    /// Prints a container's log, from its file on this host.
    /// - Parameter query: the container.
    /// - Throws: `ControlError` when the container is not there, has no log file, or the file cannot be read here.
    public func logs(_ query: String, _ options: LogOptions) async throws {
        let id = try await client.containerID(query)
        guard let path = try await client.containerStatus(id).status?.logPath, !path.isEmpty else {
            throw ControlError(.unsupported, "logs: the runtime keeps no log file for container \(Display.shortID(id))")
        }
        var wanted = LogReadOptions()
        wanted.follow = options.follow
        wanted.tail = options.tail
        wanted.since = options.since
        wanted.timestamps = options.timestamps
        do {
            try await LogReader(path: path, options: wanted).run(
                isFinished: { await self.hasEnded(id) }, write: { try await output.standard($0) })
        } catch let error as HostFilesError {
            throw ControlError(
                .failed, "logs: \(error); a log is read from its file, on the host that runs the container")
        }
    }

    /// Nothing more will be written. A runtime that cannot be asked just now may be back soon.
    private func hasEnded(_ id: String) async -> Bool {
        do {
            let state = try await client.containerStatus(id).status?.state
            return state == .containerExited || state == nil
        } catch {
            return (error as? ControlError)?.code == .notFound
        }
    }
}
