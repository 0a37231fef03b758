import HostFiles
import Logging
import Proto
import Synchronization
import VMImages
import VZEngine
import Waiting

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension VMRuntime {
    /// Saves a machine into a directory that a container can go on from, on this host. The machine stands still meanwhile,
    /// and goes on then.
    func checkpoint(_ container: ContainerEntry, to location: String, timeout: Int64) async throws {
        let machine = try machine(container.id)
        let what = "checkpointing container \(container.record.name)"
        try Self.checkCanBeSaved(machine, location, what)
        try await RootDirectory.offload { try Self.checkFree(location, what) }
        try await shielded { [self] in
            try await serial.run(machine.id) {
                do {
                    try await save(machine, to: location, timeout)
                } catch let error as VZEngineError {
                    throw Self.shimError(error, what)
                }
            }
        }
        logger.info("machine checkpointed", metadata: meta(machine, ["location": "\(location)"]))
    }

    private static func checkCanBeSaved(_ machine: ManagedMachine, _ location: String, _ what: String) throws {
        guard location.hasPrefix("/"), location.count > 1 else {
            throw ShimError(.invalidArgument, "\(what): the location \"\(location)\" must be an absolute path")
        }
        func unable(_ why: String) -> ShimError { ShimError(.unsupported, "\(what) is not possible: \(why)") }
        let config = machine.config
        guard config.main.command.isEmpty else {
            throw unable(
                "its command speaks over a connection that a saved machine does not have: restored, nobody would have its "
                    + "output, its exit code or its input. Checkpoint a container without a command; what is restored from "
                    + "it may have one")
        }
        guard config.shares.isEmpty else {
            throw unable(
                "it shares directories with its host (\(config.shares.map(\.source).joined(separator: ", "))), which "
                    + "cannot be saved. Checkpoint a container without mounts")
        }
        guard config.remoteImage == nil else {
            throw unable(
                "it was started while its image was still being fetched, and its disks lie upon what is served of that. "
                    + "Checkpoint one that was started after its image was here")
        }
        guard config.network.mode != .bridged else {
            throw unable(
                "it has an address of its own on \(config.network.interface ?? "a bridge"), which two would have")
        }
        guard machine.status?.phase == .running else {
            throw ShimError(.wrongState, "\(what) is not possible: its machine is ending")
        }
    }

    /// Blocks.
    private static func checkFree(_ location: String, _ what: String) throws {
        guard access(location, F_OK) == 0 else { return }
        var status = stat()
        let isDirectory = stat(location, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        guard isDirectory, try RootDirectory.entries(of: location).isEmpty else {
            throw ShimError(
                .alreadyExists, "\(what): there is something at \(location) already, and it is no empty directory")
        }
    }

    private func save(_ machine: ManagedMachine, to location: String, _ timeout: Int64) async throws {
        // Under its own name only once it is whole.
        let draft = location + ".partial-" + Identifiers.hex(8)
        do {
            let imageID = machine.record.container.imageID
            try await RootDirectory.offload { [options] in
                try RootDirectory.makeDirectory(draft, mode: 0o700)
                // Before the machine may go, and with it what kept the image that the saved disks lie upon.
                try CheckpointPins(root: options.root).add(
                    .init(location: location, draft: draft, digests: [imageID]))
            }
            try await hold(machine, for: .checkpoint)
            do {
                try await saveHeld(machine, to: draft, timeout)
            } catch {
                await release(machine, from: .checkpoint)
                throw error
            }
            await release(machine, from: .checkpoint)
            try await RootDirectory.offload { try Self.rename(draft, to: location) }
        } catch {
            do {
                try await RootDirectory.offload { try RootDirectory.removeTree(draft) }
            } catch let leftover {
                logger.warning("a checkpoint's leftovers stay", metadata: meta(machine, ["error": "\(leftover)"]))
            }
            throw error
        }
    }

    private func saveHeld(_ machine: ManagedMachine, to draft: String, _ timeout: Int64) async throws {
        let client = client(for: machine)
        let state = draft + "/" + MachineCheckpoint.stateName
        if timeout > 0 {
            let late = VZEngineError(.deadline, "the machine was not saved within \(timeout) s")
            try await withDeadline(.seconds(timeout), or: late) { try await client.save(to: state) }
        } else {
            try await client.save(to: state)
        }
        var config = machine.config
        for (index, disk) in config.disks.enumerated() where disk.path.hasPrefix(machine.bundle.directory + "/") {
            let name = "disk\(index)"
            try await DiskCopy.make(of: disk.path, at: draft + "/" + name)
            config.disks[index].path = name
        }
        try await MachineBoot.save(config.boot, to: draft)
        // Who stops a machine lets it go on for that: what was copied since is not what was saved.
        guard try await client.hello().status.isPaused == true else {
            throw ShimError(
                .wrongState, "container \(machine.record.container.name) was stopped while it was checkpointed")
        }
        // A later one's own.
        config.restoreFrom = nil
        let container = machine.record.container
        let record = MachineCheckpoint.Record(
            hostID: try await RootDirectory.offload { try HostIdentity.current() }, createdAt: Timestamps.now(),
            containerID: machine.id, imageID: container.imageID, image: container.image.image, config: config)
        try await RootDirectory.offload {
            try AtomicFile.write(
                RecordCoding.encode(record), to: draft + "/" + MachineCheckpoint.recordName, mode: 0o600)
        }
    }

    /// What a container is to go on from; nil for one that begins anew.
    func checkpoint(for creation: ContainerCreation) async throws -> MachineCheckpoint? {
        let annotations = creation.sandbox.record.annotations.merging(creation.config.annotations) { $1 }
        let image = creation.config.image?.image ?? ""
        guard let path = MachineCheckpoint.path(image: image, annotations: annotations) else { return nil }
        return try await RootDirectory.offload { try MachineCheckpoint.read(path) }
    }
}
