import HostFiles
import Logging

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension ImageStore {
    /// Makes an image of files and gives it its name; an image that had the name loses it. The same files make the same
    /// image. Blocks, for as long as it takes to read what the files hold.
    ///
    /// - Parameter progress: told now and then; what it throws ends the import, and nothing is left of it.
    /// - Throws: `invalidArgument`, `notFound`, `noSpace`, `failed`.
    public func importImage(
        _ request: ImageImport, progress: @escaping (ImportProgress) throws -> Void = { _ in }
    ) throws -> VMImage {
        let checked = try request.checked()
        let sources = try Sources(request)
        try layout.make()
        let staging = try StoreLock.with(layout.lock) { try Staging(in: layout) }
        let work = ImportWork(layout: layout, staging: staging, total: sources.allocated, progress: progress)
        try work.requireSpace(for: sources, free: try freeSpace(layout.directory))

        var layers: [Manifest.Descriptor] = []
        let boot = try work.boot(sources, request.boot, &layers)
        let disks = try sources.disks.map { try work.disk($0, &layers) }
        var config = VMImageConfig(os: request.os, architecture: checked.architecture, boot: boot, disks: disks)
        config.cpus = request.cpus
        config.memoryBytes = request.memoryBytes
        config.login = request.login
        let manifest = Manifest(
            config: try work.blob(try JSONText.bytes(config), mediaType: VMImageConfig.mediaType), layers: layers)
        let id = try work.blob(try JSONText.bytes(manifest), mediaType: Manifest.mediaType).digest

        return try add(id, checked.name, staging, work.size)
    }

    /// Puts what was made in place and names it.
    func add(_ id: String, _ name: String, _ staging: Staging, _ size: Int64) throws -> VMImage {
        let made = try change { index in
            try staging.commit(layout)
            if index.entry(id: id) == nil {
                index.images.append(.init(id: id, names: [], size: size, importedAt: Self.now()))
            }
            index.name(id, name)
            // Read while nobody can take it away again.
            return try index.entry(id: id).map(image)
        }
        try staging.finish()
        logger.info("image made", metadata: ["image": "\(name)", "id": "\(id)"])
        guard let made else { throw VMImageError(.failed, "the image \(id) was made and is not in the index") }
        return made
    }

    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The files of an import, open.
    struct Sources {
        var kernel: OpenFile?
        var initrd: OpenFile?
        /// Of firmware, or of a Mac.
        var variables: OpenFile?
        var disks: [(file: OpenFile, format: DiskFormat)] = []
        /// What they take on disk, in bytes.
        var allocated: Int64 = 0

        init(_ request: ImageImport) throws {
            switch request.boot {
            case .kernel(let path, let initrd, _):
                kernel = try open(path)
                self.initrd = try initrd.map { try open($0) }
            case .efi(let path): variables = try path.map { try open($0) }
            case .mac(_, let path): variables = try open(path)
            }
            try open(disks: request.disks, of: request.os)
        }

        /// Of a machine.
        init(_ disks: [String], variables path: String?, os: VMImageConfig.GuestOS) throws {
            variables = try path.map { try open($0) }
            try open(disks: disks, of: os)
        }

        private mutating func open(disks paths: [String], of os: VMImageConfig.GuestOS) throws {
            for path in paths {
                let file = try open(path)
                var header = [UInt8](repeating: 0, count: DiskFormat.headerSize)
                let count = try header.withUnsafeMutableBytes { try file.read($0, at: 0) }
                let size = Int64(try file.facts().st_size)
                let format = try DiskFormat(header: Array(header.prefix(count)), size: size, path: path)
                guard os != .macos || format.format == .raw else {
                    throw VMImageError(
                        .invalidArgument,
                        "\(path) cannot be the disk of a macOS guest: it is \(format.format.rawValue), and Apple's "
                            + "framework reads raw ones only: qemu-img convert -O raw FROM TO")
                }
                disks.append((file, format))
            }
        }

        private mutating func open(_ path: String) throws -> OpenFile {
            let file = try OpenFile.reading(path)
            let facts = try file.facts()
            guard facts.st_mode & S_IFMT == S_IFREG else {
                throw VMImageError(.invalidArgument, "\(path) is no regular file: copy it into one first")
            }
            guard facts.st_size > 0 else { throw VMImageError(.invalidArgument, "\(path) is empty") }
            allocated += min(Int64(facts.st_blocks) * 512, Int64(facts.st_size))
            return file
        }
    }
}

/// The steps of one import.
final class ImportWork {
    private let layout: StoreLayout
    private let staging: Staging
    private let report: (ImportProgress) throws -> Void
    private var progress: ImportProgress
    /// What the files that were brought take, in bytes.
    private(set) var size: Int64 = 0
    /// Left free on the file system, for everything else that is on it.
    static let reserve: Int64 = 64 << 20

    init(
        layout: StoreLayout, staging: Staging, total: Int64, progress: @escaping (ImportProgress) throws -> Void
    ) {
        self.layout = layout
        self.staging = staging
        self.progress = ImportProgress(done: 0, total: total)
        report = progress
    }

    /// Finds out before, not after an hour, that there is no room. Where the file system clones, nothing is needed.
    func requireSpace(for sources: ImageStore.Sources, free: Int64) throws {
        guard sources.allocated + Self.reserve > free else { return }
        if let disk = sources.disks.first?.file {
            let trial = staging.place()
            if try OpenFile.clone(disk, to: trial) != nil {
                try FilePlaces.remove(trial)
                return
            }
        }
        throw VMImageError(
            .noSpace,
            "cannot import: it takes \(Self.mebibytes(sources.allocated)) MiB (and \(Self.mebibytes(Self.reserve)) MiB are "
                + "left free), and the file system of \(layout.directory) has \(Self.mebibytes(free)) MiB: make room, or "
                + "put the root directory elsewhere")
    }

    static func mebibytes(_ bytes: Int64) -> Int64 { (bytes + (1 << 20) - 1) >> 20 }

    func boot(
        _ sources: ImageStore.Sources, _ request: ImageImport.Boot, _ layers: inout [Manifest.Descriptor]
    ) throws -> VMImageConfig.Boot {
        func add(_ file: OpenFile?, _ mediaType: String) throws -> String? {
            guard let file else { return nil }
            let descriptor = try blob(file, mediaType: mediaType)
            layers.append(descriptor)
            return descriptor.digest
        }
        switch request {
        case .kernel(let path, _, let commandLine):
            guard let kernel = try add(sources.kernel, Manifest.Layer.kernel) else {
                throw VMImageError(.notFound, "there is no kernel \(path)")
            }
            return .kernel(
                digest: kernel, initrd: try add(sources.initrd, Manifest.Layer.initrd), commandLine: commandLine)
        case .efi: return .efi(variables: try add(sources.variables, Manifest.Layer.variables))
        case .mac(let model, let path):
            let descriptor = try blob(model.bytes, mediaType: Manifest.Layer.hardwareModel)
            layers.append(descriptor)
            guard let storage = try add(sources.variables, Manifest.Layer.variables) else {
                throw VMImageError(.notFound, "there is no auxiliary storage \(path)")
            }
            return .mac(hardwareModel: descriptor.digest, auxiliaryStorage: storage)
        }
    }

    func disk(
        _ source: (file: OpenFile, format: DiskFormat), _ layers: inout [Manifest.Descriptor]
    ) throws -> VMImageConfig.Disk {
        let place = staging.place()
        let index = try DiskCopy(advanced: advance).copy(source.file, to: place)
        let descriptor = try blob(index.bytes, mediaType: Manifest.Layer.disk)
        layers.append(descriptor)
        staging.add(place, to: layout.disk(descriptor.digest))
        size += try allocated(place)
        return .init(
            digest: descriptor.digest, format: source.format.format, size: index.size,
            capacity: source.format.capacity)
    }

    /// Copies a file and adds it as a blob.
    func blob(_ source: OpenFile, mediaType: String) throws -> Manifest.Descriptor {
        let place = staging.place()
        let copy = try OpenFile.creating(place)
        let hash = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = try source.read(buffer, at: offset)
            if count == 0 { break }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            hash.update(bytes)
            try copy.write(bytes, at: offset)
            offset += Int64(count)
            try advance(Int64(count))
        }
        try copy.sync()
        return try add(place, hash.finish(), size: offset, mediaType: mediaType)
    }

    /// Adds bytes as a blob.
    func blob(_ bytes: [UInt8], mediaType: String) throws -> Manifest.Descriptor {
        let place = staging.place()
        let copy = try OpenFile.creating(place)
        try bytes.withUnsafeBytes { try copy.write($0, at: 0) }
        try copy.sync()
        return try add(place, SHA256.hex(of: bytes), size: Int64(bytes.count), mediaType: mediaType)
    }

    private func add(_ place: String, _ hex: String, size: Int64, mediaType: String) throws -> Manifest.Descriptor {
        staging.add(place, to: layout.blob(hex))
        self.size += try allocated(place)
        return .init(mediaType: mediaType, digest: "sha256:" + hex, size: size)
    }

    private func allocated(_ path: String) throws -> Int64 {
        Int64(try OpenFile.reading(path).facts().st_blocks) * 512
    }

    private func advance(_ count: Int64) throws {
        progress.done += count
        progress.total = max(progress.total, progress.done)
        try report(progress)
    }
}
