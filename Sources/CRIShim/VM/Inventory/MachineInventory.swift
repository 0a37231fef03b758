public import Logging
public import NIOCore
import Processes
import VZEngine

/// The machines below a root directory, as their bundles and their supervisors tell: with a daemon beside it, or without.
/// Changes nothing.
public struct MachineInventory: Sendable {
    let root: String
    let state: String
    private let group: any EventLoopGroup
    private let logger: Logger

    /// What a supervisor has to answer in.
    private static let answerLimit = Duration.seconds(3)

    public init(root: String, state: String, group: any EventLoopGroup, logger: Logger) {
        self.root = root
        self.state = state
        self.group = group
        self.logger = logger
    }

    /// Every machine, the newest first. One whose records cannot be read is listed as just that.
    /// - Throws: `ShimError` when the directory cannot be read.
    public func list() async throws -> [MachineEntry] {
        let directory = root + "/machines"
        let names = try await RootDirectory.offload {
            try RootDirectory.entries(of: directory).filter { !$0.hasPrefix(".") }
        }
        let entries = try await withThrowingTaskGroup(of: MachineEntry?.self) { group in
            for name in names { group.addTask { try await entry(name) } }
            var entries: [MachineEntry] = []
            for try await entry in group { if let entry { entries.append(entry) } }
            return entries
        }
        return entries.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    /// The machine a person means by its id, the beginning of that, or a name that no other has: `NAME`, `POD/NAME`,
    /// `NAMESPACE/POD/NAME`. Of several attempts of one container the newest is meant.
    /// - Throws: `ShimError` with `notFound`, or `invalidArgument` when it could be several.
    public func find(_ query: String) async throws -> MachineEntry {
        try Self.find(query, among: try await list())
    }

    /// - Parameter entries: the newest first.
    static func find(_ query: String, among entries: [MachineEntry]) throws -> MachineEntry {
        if let exact = entries.first(where: { $0.id == query }) { return exact }
        let named = entries.filter { $0.names.contains(query) }
        let newest = Dictionary(grouping: named) { $0.names.last ?? $0.id }.values.compactMap(\.first)
        let found = newest.isEmpty && !query.isEmpty ? entries.filter { $0.id.hasPrefix(query) } : newest
        guard let one = found.first else {
            throw ShimError(.notFound, "there is no machine \(query); cri-shim vm ls shows those there are")
        }
        guard found.count == 1 else {
            let all = found.map { "\($0.id.prefix(13)) (\($0.names.last ?? "?"))" }.sorted().joined(separator: ", ")
            throw ShimError(.invalidArgument, "\(query) could be any of \(all)")
        }
        return one
    }

    /// Writes what a machine's display shows to a new PNG file.
    /// - Parameter path: absolute; nothing is there yet.
    /// - Throws: `ShimError`: `unsupported` when it has no display.
    public func screenshot(of machine: MachineEntry, to path: String) async throws {
        let bundle = bundle(machine.id)
        do {
            try await client(bundle).screenshot(to: path)
        } catch let error as VZEngineError {
            throw VMRuntime.shimError(error, "taking a picture of machine \(machine.id.prefix(13))")
        }
    }

    /// Whether a machine will say nothing more. Blocks.
    func isOver(_ id: String) throws -> Bool {
        let bundle = bundle(id)
        guard try RootDirectory.read(bundle.config) != nil else { return true }
        if try RootDirectory.read(bundle.exit) != nil { return true }
        guard let bytes = try RootDirectory.read(bundle.supervisor) else { return false }
        return try !RecordCoding.decodePlain(ProcessIdentity.self, from: bytes, place: bundle.supervisor).isAlive
    }

    func directory(of id: String) -> String { bundle(id).directory }

    private func bundle(_ id: String) -> MachineBundle { MachineBundle(id: id, root: root, state: state) }

    private func client(_ bundle: MachineBundle) -> MachineClient {
        MachineClient(socketPath: bundle.controlSocket, group: group, logger: logger)
    }

    // MARK: One machine

    /// nil when it went meanwhile.
    private func entry(_ id: String) async throws -> MachineEntry? {
        let bundle = bundle(id)
        do {
            guard let records = try await RootDirectory.offload({ try Records(bundle, root: root) }) else { return nil }
            var entry = records.entry
            if let exit = records.exit {
                entry.state = .exited
                entry.exitCode = exit.exitCode
                entry.reason = exit.reason
                entry.message = exit.message
                entry.startedAt = exit.startedAt
                entry.finishedAt = exit.finishedAt
            } else if let supervisor = records.supervisor {
                guard supervisor.isAlive else {
                    entry.state = .lost
                    return entry
                }
                await ask(bundle, &entry)
            } else {
                entry.state = records.wasLaunched ? .starting : .created
            }
            return entry
        } catch {
            var entry = MachineEntry(id: id, console: bundle.console)
            entry.state = .unreadable
            entry.message = "\(error)"
            return entry
        }
    }

    private func ask(_ bundle: MachineBundle, _ entry: inout MachineEntry) async {
        do {
            let late = VZEngineError(.deadline, "the supervisor did not answer within \(Self.answerLimit)")
            let client = client(bundle)
            let status = try await withLimit(Self.answerLimit, or: late) { try await client.hello().status }
            entry.state = MachineEntry.State(status.phase)
            entry.address = status.address.map { "\($0.host):\($0.port)" }
            entry.isReachable = status.isReachable
            entry.startedAt = status.startedAt
            if let held = status.held {
                entry.state = .held
                entry.exitCode = held.exitCode
                entry.reason = held.reason
                entry.message = held.message
            }
        } catch {
            entry.state = .unresponsive
            entry.message = "\(error)"
        }
    }

    /// What is on disk of one machine.
    private struct Records: Sendable {
        var entry: MachineEntry
        var exit: ExitRecord?
        var supervisor: ProcessIdentity?
        var wasLaunched: Bool

        /// Blocks. nil when there is no machine any more.
        init?(_ bundle: MachineBundle, root: String) throws {
            guard let (config, record) = try bundle.records() else { return nil }
            entry = MachineEntry(id: config.id, console: bundle.console)
            entry.sandboxID = record.sandboxID
            entry.container = record.container.name
            entry.attempt = record.container.attempt
            entry.image =
                record.container.image.userSpecified.isEmpty
                ? record.container.image.image : record.container.image.userSpecified
            entry.guestOS = config.guestOS.rawValue
            entry.cpus = config.cpus
            entry.memoryBytes = config.memoryBytes
            entry.createdAt = record.createdAt
            let place = "\(root)/sandboxes/\(record.sandboxID)/config.json"
            if let bytes = try RootDirectory.read(place) {
                let sandbox = try RecordCoding.decode(
                    SandboxRecord.self, schema: SandboxRecord.schema, from: bytes, place: place)
                entry.pod = sandbox.metadata.name
                entry.namespace = sandbox.metadata.namespace
            }
            exit = try bundle.readExit()
            wasLaunched = try RootDirectory.read(bundle.launch) != nil
            if let bytes = try RootDirectory.read(bundle.supervisor) {
                supervisor = try RecordCoding.decodePlain(
                    ProcessIdentity.self, from: bytes, place: bundle.supervisor)
            }
        }
    }
}

/// The body's result, or the error when it takes longer.
private func withLimit<R: Sendable>(
    _ limit: Duration, or error: VZEngineError, _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw error
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw error }
        return result
    }
}
