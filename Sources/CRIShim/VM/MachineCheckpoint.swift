import Processes
import VZEngine

/// A machine that was saved: a directory with `checkpoint.json`, the machine's state, and its disks.
struct MachineCheckpoint: Sendable {
    /// `checkpoint.json`
    struct Record: Codable, Sendable, Hashable {
        static let schema = 1

        var schema = Self.schema
        /// A saved machine is of its host: of its processor, its kernel, its QEMU.
        var hostID: String
        /// Nanoseconds since 1970.
        var createdAt: Int64
        var containerID: String
        var imageID: String
        var image: String
        /// The machine's, as it ran; paths of its own disks are the checkpoint's files' names.
        var config: MachineConfig
    }

    /// Of a container or its pod: the directory of the checkpoint it goes on from.
    static let annotation = "vzcri.dev/restore-from"

    let directory: String
    let record: Record

    static let recordName = "checkpoint.json"
    static let stateName = "state"

    var state: String { directory + "/" + Self.stateName }

    /// The machine's disks, absolute.
    var disks: [MachineConfig.Disk] {
        record.config.disks.map { disk in
            var disk = disk
            if !disk.path.hasPrefix("/") { disk.path = directory + "/" + disk.path }
            return disk
        }
    }

    /// Of the machine's network card.
    var hardwareAddress: HardwareAddress? { HardwareAddress(record.config.network.macAddress) }

    /// Whether a container's image is not the name of one but a checkpoint's path. Blocks.
    static func isPath(_ image: String) throws -> Bool {
        guard image.hasPrefix("/") else { return false }
        return try RootDirectory.read(image + "/" + recordName) != nil
    }

    /// Which checkpoint a container is to go on from.
    static func path(image: String, annotations: [String: String]) -> String? {
        if let path = annotations[annotation], !path.isEmpty { return path }
        return image.hasPrefix("/") ? image : nil
    }

    /// Blocks.
    /// - Throws: `notFound`, `invalidArgument` for another host's, `newerRecord`, `corruptRecord`.
    static func read(_ path: String) throws -> MachineCheckpoint {
        guard path.hasPrefix("/") else {
            throw ShimError(.invalidArgument, "the checkpoint \"\(path)\" must be named by an absolute path")
        }
        let place = path + "/" + recordName
        guard let bytes = try RootDirectory.read(place) else {
            throw ShimError(.notFound, "\(path) is no checkpoint of a virtual machine: there is no \(place)")
        }
        let record = try RecordCoding.decode(Record.self, schema: Record.schema, from: bytes, place: place)
        guard try record.hostID == HostIdentity.current() else {
            throw ShimError(
                .invalidArgument,
                "the checkpoint \(path) was made on another host: the state of a virtual machine goes on only where it "
                    + "was saved")
        }
        return MachineCheckpoint(directory: path, record: record)
    }

    /// - Throws: `invalidArgument` for a container that would be another machine than the saved one.
    func check(_ size: MachineResources.Size, _ request: MachineResources.Request?) throws {
        let saved = record.config
        if let request, request.cpuQuota > 0 || request.cpuShares > 2, size.cpus != saved.cpus {
            throw refuse("it has \(saved.cpus) cpus, and the container asks for \(size.cpus)")
        }
        if let request, request.memoryLimit > 0, size.memoryBytes != saved.memoryBytes {
            throw refuse("it has \(saved.memoryBytes) bytes of memory, and the container asks for \(size.memoryBytes)")
        }
    }

    func check(_ mounts: MachineMounts) throws {
        guard mounts.shares.isEmpty else {
            let sources = mounts.shares.map(\.source).joined(separator: ", ")
            throw refuse("it shares no directories, and the container mounts \(sources)")
        }
    }

    /// Makes a new machine what the saved one was.
    func apply(to config: inout MachineConfig) throws {
        guard config.network.mode != .bridged else {
            throw refuse("its network is the pod's, and the container's would be a bridge")
        }
        let saved = record.config
        config.guestOS = saved.guestOS
        config.display = saved.display
        config.nestedVirtualization = saved.nestedVirtualization
        config.diskCaching = saved.diskCaching
        config.diskSynchronization = saved.diskSynchronization
        config.restoreFrom = state
    }

    private func refuse(_ what: String) -> ShimError {
        ShimError(.invalidArgument, "the checkpoint \(directory) is of another machine: \(what)")
    }
}
