import HostFiles
import Processes
import VZEngine

/// `container.json` in a machine's bundle: what the CRI knows of the container. Written once, when it is created.
struct MachineContainerRecord: Codable, Sendable, Hashable {
    static let schema = 1

    var schema = Self.schema
    var sandboxID: String
    var createdAt: Int64
    var container: ContainerRecord
    /// What the request asked for, as a status has it.
    var resources: MachineResources.Request?
}

/// `launch.json` in a machine's bundle: StartContainer was called. Tells a machine that never ran from one whose
/// supervisor was lost.
struct MachineLaunch: Codable, Sendable, Hashable {
    static let schema = 1

    var schema = Self.schema
    /// Of which run of the system this is.
    var bootID: String
    var supervisor: ProcessIdentity?
    /// The machine's other processes, once they are known.
    var processes: [ProcessIdentity] = []
    /// On a bridge: the guest's last known address.
    var address: String?
}

extension MachineBundle {
    /// ``MachineContainerRecord``
    var container: String { directory + "/container.json" }
    /// ``MachineLaunch``
    var launch: String { directory + "/launch.json" }
    /// Files that are mounted one by one, each in a directory of its own.
    var staging: String { directory + "/files" }

    /// Reads one of its records. Blocks.
    func read<R: Decodable>(_ type: R.Type, schema: Int, at path: String) throws -> R? {
        guard let bytes = try RootDirectory.read(path) else { return nil }
        return try RecordCoding.decode(type, schema: schema, from: bytes, place: path)
    }

    /// The machine and its container. nil where there is nothing, which is all a crash may leave: a bundle gets its name
    /// when it is whole, and loses it before it is taken apart. Blocks.
    /// - Throws: `corruptRecord` when one of the two is missing from a bundle that holds anything.
    func records() throws -> (config: MachineConfig, container: MachineContainerRecord)? {
        let machine = try read(MachineConfig.self, schema: MachineConfig.schema, at: config)
        let record = try read(MachineContainerRecord.self, schema: MachineContainerRecord.schema, at: container)
        if let machine, let record { return (machine, record) }
        guard try !RootDirectory.entries(of: directory).isEmpty else { return nil }
        throw ShimError(
            .corruptRecord,
            "the virtual machine in \(directory) has no \(machine == nil ? config : container): restore that file, or move "
                + "the directory away. It is kept as it is, as its disks and a running guest may be in use")
    }

    func readExit() throws -> ExitRecord? { try read(ExitRecord.self, schema: ExitRecord.schema, at: exit) }

    /// Writes one of its records. Blocks.
    func write(_ record: some Encodable, to path: String) throws {
        try AtomicFile.write(RecordCoding.encode(record), to: path, mode: 0o600)
    }
}

extension ExitRecord {
    static let schema = 1
}
