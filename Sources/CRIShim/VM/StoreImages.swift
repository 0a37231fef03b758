import VMImages
import VZEngine

/// Machines' images out of the local store.
struct StoreImages: MachineImages {
    let catalog: VMImageCatalog
    let credentials: GuestCredentials
    var engine = HostEngine.current
    var sharing = BlockSharing.system

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
                disks: lease.files.disks.map { .init(path: $0.path, format: $0.format == .raw ? .raw : .qcow2) },
                cpus: config.cpus, memoryBytes: config.memoryBytes, credentials: login, lease: lease)
        }
    }

    func machineRemoved() async { await catalog.collectUnused() }

    func clone(_ disk: MachineConfig.Disk, to path: String, size: Int64?) async throws -> MachineConfig.Disk {
        // A file system that shares blocks gives the base's format, another one a QEMU overlay; QEMU goes by what it is
        // told, not by the name. An engine that reads no overlays gets none.
        try engine.check(disk)
        do {
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
