import HostFiles
import NIOPosix
import Processes
import Registry

/// A machine's disks, to become an image on top of the one it was made of.
public struct ImageCommit: Sendable {
    /// `[REGISTRY/]NAME[:TAG]`
    public var name: String
    /// The image that the machine was made of: a name or an id.
    public var base: String
    /// Absolute paths of the machine's disks, in the order of the base's. Nobody writes to them. Of a qcow2 file on top of
    /// another one raw disk is made.
    public var disks: [String]
    /// The machine's own non-volatile store; nil leaves that of the base.
    public var variables: String?

    public init(name: String, base: String, disks: [String], variables: String? = nil) {
        self.name = name
        self.base = base
        self.disks = disks
        self.variables = variables
    }
}

extension ImageStore {
    /// The image that a machine was made of, by what its bundle says. Blocks.
    /// - Parameter machine: its directory.
    /// - Returns: nil when it is not here any more.
    public func base(ofMachine machine: String) throws -> VMImage? {
        let digests = try MachineReferences.digests(inBundle: machine)
        return try list().first { digests.contains($0.id) }
    }

    /// Makes an image of a machine's disks, as a child of the one it was made of: when it is pushed, only what differs is
    /// sent. The machine does not run meanwhile.
    ///
    /// - Throws: `invalidArgument`, `notFound`, `noSpace`, `failed`.
    public func commit(
        _ request: ImageCommit, progress: @escaping @Sendable (ImportProgress) -> Void = { _ in }
    ) async throws -> VMImage {
        // Not after hours, when the disks have been joined.
        try await Self.offload { try self.leaseWhole(request.base).release() }
        let place = try await Self.offload { try TransferPlace(self.layout) }
        defer { withExtendedLifetime(place) {} }
        var disks: [String] = []
        for (number, disk) in request.disks.enumerated() {
            disks.append(
                try await Self.offload { try Self.isOverlay(disk) } ? try await flatten(disk, number, place) : disk)
        }
        return try await Self.offload { [disks] in try self.commit(request, disks, progress) }
    }

    private static func isOverlay(_ path: String) throws -> Bool {
        let file = try OpenFile.reading(path)
        var header = [UInt8](repeating: 0, count: 16)
        _ = try header.withUnsafeMutableBytes { try file.read($0, at: 0) }
        // qcow2, and where the name of the other file is.
        return header.starts(with: [0x51, 0x46, 0x49, 0xfb]) && header[8..<16].contains { $0 != 0 }
    }

    /// Makes one raw file of a disk and what it lies on.
    private func flatten(_ path: String, _ number: Int, _ place: TransferPlace) async throws -> String {
        let target = "\(place.directory)/disk-\(number)"
        do {
            // As long as the slowest disk takes, and not for ever.
            _ = try await Command.checked(
                "qemu-img", ["convert", "-f", "qcow2", "-O", "raw", path, target], deadline: .seconds(6 * 3600))
        } catch let error as ProcessError {
            throw VMImageError(
                .failed,
                "cannot join the disk \(path) with the one it lies on (see whether qemu-img is installed, and whether there is "
                    + "room in \(layout.directory))", cause: error)
        }
        return target
    }

    private func commit(
        _ request: ImageCommit, _ paths: [String], _ progress: @escaping @Sendable (ImportProgress) -> Void
    ) throws -> VMImage {
        let name = try Self.newName(request.name)
        let lease = try leaseWhole(request.base)
        defer { lease.release() }
        guard let entry = try StoreIndex.read(layout.index).entry(id: lease.image.id) else {
            throw Self.absent(request.base)
        }
        let base = try contents(entry)
        var config = base.config
        guard paths.count == config.disks.count else {
            throw VMImageError(
                .invalidArgument,
                "cannot commit \(request.name): the machine has \(paths.count) disks of its own, and its image has "
                    + "\(config.disks.count)")
        }
        let sources = try Sources(paths, variables: request.variables, os: config.os)
        let staging = try StoreLock.with(layout.lock) { try Staging(in: layout) }
        let work = ImportWork(layout: layout, staging: staging, total: sources.allocated) { progress($0) }
        try work.requireSpace(for: sources, free: try freeSpace(layout.directory))
        var layers = base.manifest.layers.filter {
            ![Manifest.Layer.disk, PackIndex.mediaType].contains($0.mediaType)
        }
        if let variables = sources.variables {
            let made = try work.blob(variables, mediaType: Manifest.Layer.variables)
            layers = layers.filter { $0.mediaType != Manifest.Layer.variables } + [made]
            switch config.boot {
            case .efi: config.boot = .efi(variables: made.digest)
            case .mac(let model, _): config.boot = .mac(hardwareModel: model, auxiliaryStorage: made.digest)
            case .kernel: throw VMImageError(.invalidArgument, "a machine that starts from a kernel has no variables")
            }
        }
        config.disks = try sources.disks.map { try work.disk($0, &layers) }
        var manifest = Manifest(
            config: try work.blob(try JSONText.bytes(config), mediaType: VMImageConfig.mediaType), layers: layers)
        manifest.annotations = [Manifest.baseKey: entry.id]
        let id = try work.blob(try JSONText.bytes(manifest), mediaType: Manifest.mediaType).digest
        return try add(id, name, staging, work.size)
    }

    /// Runs what blocks on a thread for it.
    static func offload<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
