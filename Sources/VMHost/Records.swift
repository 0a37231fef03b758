import FoundationEssentials
import HostFiles
import NIOCore
import Processes
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The files a supervisor reads and writes in its bundle. All of this blocks, for moments.
enum Records {
    private struct Header: Decodable { var schema: Int }

    /// Notes that this process runs the machine.
    /// - Throws: `VZEngineError` when the machine was run before: it has one life.
    static func claim(_ bundle: MachineBundle) throws -> ProcessIdentity {
        for path in [bundle.exit, bundle.supervisor] where access(path, F_OK) == 0 {
            throw VZEngineError(
                .invalidArgument, "the machine in \(bundle.directory) was run already (there is \(path)): make another")
        }
        guard let identity = ProcessIdentity.of(getpid()) else {
            throw VZEngineError(.failed, "the system does not tell when this process started")
        }
        try put(identity, at: bundle.supervisor)
        return identity
    }

    /// - Throws: `VZEngineError` with `badRecord`.
    static func config(of bundle: MachineBundle) throws -> MachineConfig {
        let bytes: [UInt8]
        do {
            bytes = Array(try Data(contentsOf: URL(filePath: bundle.config)))
        } catch {
            throw VZEngineError(.badRecord, "\(bundle.config) cannot be read", cause: error)
        }
        return try config(from: bytes, at: bundle.config)
    }

    static func config(from bytes: [UInt8], at place: String) throws -> MachineConfig {
        let schema: Int
        do {
            schema = try JSONDecoder().decode(Header.self, from: Data(bytes)).schema
        } catch {
            throw VZEngineError(.badRecord, "\(place) is no machine's configuration", cause: error)
        }
        guard schema <= MachineConfig.schema else {
            throw VZEngineError(
                .badRecord,
                "\(place) has schema \(schema), this vm-host knows up to \(MachineConfig.schema): use the newer one")
        }
        do {
            return try JSONDecoder().decode(MachineConfig.self, from: Data(bytes))
        } catch {
            throw VZEngineError(.badRecord, "\(place) cannot be read", cause: error)
        }
    }

    /// The guest's pinned host key; nil before the first connection.
    static func hostKey(of bundle: MachineBundle) throws -> String? {
        guard access(bundle.hostKey, F_OK) == 0 else { return nil }
        do {
            let text = String(decoding: try Data(contentsOf: URL(filePath: bundle.hostKey)), as: UTF8.self)
            return text.split(separator: "\n").first.map(String.init)
        } catch {
            throw VZEngineError(.badRecord, "\(bundle.hostKey) cannot be read", cause: error)
        }
    }

    static func write(_ record: ExitRecord, to bundle: MachineBundle) throws { try put(record, at: bundle.exit) }

    /// The record of a machine that was never started.
    static func write(failure error: VZEngineError, to bundle: MachineBundle) throws {
        try write(
            Ending.startFailed("\(error)").record(startedAt: 0, finishedAt: Moment.Clock.wall()), to: bundle)
    }

    private static func put(_ record: some Encodable, at path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(Array(try encoder.encode(record)), to: path, mode: 0o600)
    }

    /// Leaves the directory empty, and removes it.
    static func removeSockets(of bundle: MachineBundle) {
        guard let names = try? Directories.names(bundle.runDirectory) else { return }
        for name in names { unlink(bundle.runDirectory + "/" + name) }
        rmdir(bundle.runDirectory)
    }
}
