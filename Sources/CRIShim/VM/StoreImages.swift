import VMImages
import VZEngine

/// Machines' images out of the local store.
struct StoreImages: MachineImages {
    let catalog: VMImageCatalog
    let credentials: GuestCredentials
    var engine = HostEngine.current
    var sharing = BlockSharing.system
    /// Serve the disks of images that are still being fetched; nil: machines are made of whole images alone.
    var servers: ImageServers?

    private var store: ImageStore { catalog.store }

    func machineImage(_ reference: String, annotations: [String: String]) async throws -> MachineImage? {
        try await RootDirectory.offload {
            // Held until the machine is on disk, where collections find it.
            guard let lease = try store.lease(reference) else { return nil }
            try store.markUsed([lease.image.id])
            let login = try credentials.resolve(
                names: [reference] + lease.image.names, image: lease.image.config.login,
                profile: annotations[GuestCredentials.annotation])
            guard let login else {
                throw ShimError(
                    .invalidArgument,
                    "nobody says how to log in to guests of the image \(reference): name a user when it is imported, in "
                        + "guests: of the configuration, or in VZ_SSH_USER")
            }
            let config = lease.image.config
            let boot: MachineConfig.Boot =
                switch lease.files.boot {
                case .kernel(let path, let initrd, let line): .kernel(path: path, initrd: initrd, commandLine: line)
                case .efi(let variables): .efi(variables: variables)
                // Every machine gets an identifier of its own.
                case .mac(let model, let storage):
                    .mac(hardwareModel: model, machineIdentifier: "", auxiliaryStorage: storage)
                }
            return MachineImage(
                id: lease.image.id, guestOS: config.os == .macos ? .macos : .linux, boot: boot,
                disks: try disks(of: lease, reference),
                cpus: config.cpus, memoryBytes: config.memoryBytes, credentials: login, lease: lease)
        }
    }

    private func disks(of lease: ImageLease, _ reference: String) throws -> [MachineConfig.Disk] {
        let disks = lease.files.disks.map { disk in
            MachineConfig.Disk(path: disk.path, format: disk.format == .raw ? .raw : .qcow2)
        }
        guard !lease.image.isWhole else { return disks }
        guard let servers else {
            throw ShimError(
                .unavailable,
                "the image \(reference) is still being fetched, and this host runs machines of whole images")
        }
        return zip(disks, lease.files.disks).enumerated().map { number, disk in
            var served = disk.0
            served.remote = servers.remote(lease.image.id, disk: number, size: disk.1.capacity)
            return served
        }
    }

    func prepare(_ machine: MachineConfig, waits: Bool) async throws {
        guard let servers, let image = machine.remoteImage else { return }
        try await servers.hold(image, for: machine.id, waits: waits)
    }

    func started(_ machine: MachineConfig) async {
        guard let servers, let image = machine.remoteImage else { return }
        await servers.noteStarted(image)
    }

    func ended(_ machine: MachineConfig) async {
        guard let servers, let image = machine.remoteImage else { return }
        await servers.release(image, of: machine.id)
    }

    func machineRemoved() async { await catalog.collectUnused() }

    func clone(_ disk: MachineConfig.Disk, to path: String, size: Int64?) async throws -> MachineConfig.Disk {
        // A file system that shares blocks gives the base's format, another one a QEMU overlay; QEMU goes by what it is
        // told, not by the name. An engine that reads no overlays gets none.
        try engine.check(disk)
        do {
            if let remote = disk.remote {
                return try await DiskClone.make(of: remote, format: disk.format, at: path, size: size)
            }
            return try await DiskClone.make(
                of: disk.path, format: disk.format, at: path, method: engine.cloneMethod, sharing: sharing, size: size
            ).disk
        } catch let error as VZEngineError where error.code == .invalidArgument {
            throw ShimError(.invalidArgument, "annotation \(MachineOptions.diskSize)", cause: error)
        } catch let error as VZEngineError where error.code == .unsupported && engine.cloneMethod != nil {
            throw ShimError(.unsupported, engine.cloneAdvice, cause: error)
        }
    }
}

extension MachineConfig {
    /// The image that its disks are served of.
    var remoteImage: String? { disks.lazy.compactMap(\.remote?.image).first }
}
